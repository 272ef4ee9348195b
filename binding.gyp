{
  "variables": {
    "node_api_headers": "<!(node -p \"require('node-addon-api').include_dir\")",
    "simdjson": "<!(node -p \"require('path').relative('.', require('path').dirname(require.resolve('@nozbe/simdjson/package.json'))) + '/src'\")",
    "sanitize%": "",
    "warnings": [
      "-Wall", "-Wextra", "-Werror", "-Wshadow", "-Wconversion", "-Wsign-conversion", "-Wnon-virtual-dtor",
      "-Wold-style-cast", "-Wcast-align", "-Woverloaded-virtual"
    ]
  },
  "target_defaults": {
    "cflags": ["-fvisibility=hidden"],
    "cflags_cc!": ["-std=gnu++20", "-std=gnu++17"],
    "cflags_cc": ["-std=c++17", "-O3"],
    "conditions": [
      ["sanitize!=''", {
        "cflags": ["-fsanitize=<(sanitize)", "-fno-omit-frame-pointer", "-fno-sanitize-recover=all", "-g"],
        "ldflags": ["-fsanitize=<(sanitize)"]
      }]
    ]
  },
  "targets": [
    {
      "target_name": "simdjson",
      "type": "static_library",
      "sources": ["<(simdjson)/simdjson.cpp"],
      "include_dirs": ["<(simdjson)"],
      "defines": ["SIMDJSON_EXCEPTIONS=0"],
      "cflags": ["-fPIC", "-w"]
    },
    {
      "target_name": "sentinel_ipc",
      "dependencies": ["simdjson"],
      # SWALLOW: while a worker is being terminated no call may throw, and failing to is no reason to abort the process.
      "defines": ["NAPI_VERSION=8", "NAPI_DISABLE_CPP_EXCEPTIONS", "NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS", "SIMDJSON_EXCEPTIONS=0"],
      "sources": [
        "native/acceptor.cc",
        "native/addon.cc",
        "native/connected_descriptors.cc",
        "native/connection_rate.cc",
        "native/escapes.cc",
        "native/frame_layout.cc",
        "native/frame_reader.cc",
        "native/line_checker.cc",
        "native/line_scanner.cc",
        "native/node_acceptor.cc",
        "native/node_convert.cc",
        "native/node_frames.cc",
        "native/node_peers.cc",
        "native/node_readiness.cc",
        "native/node_reading.cc",
        "native/node_ready_reader.cc",
        "native/peer_policy.cc",
        "native/peer_watcher.cc"
      ],
      "conditions": [
        ["OS=='linux'", {
          "sources": [
            "native/linux.cc", "native/linux_files.cc", "native/linux_glibc.cc", "native/linux_peer.cc",
            "native/linux_readiness.cc", "native/posix.cc", "native/posix_accounts.cc", "native/posix_claim.cc", "native/posix_path.cc", "native/posix_read.cc",
            "native/posix_thread.cc"
          ],
          "cflags_cc": ["-include", "../native/linux_glibc.h", "-isystem", "../<(node_api_headers)", "-isystem", "../<(simdjson)", "<@(warnings)"]
        }],
        # Compiled, never run.
        ["OS=='mac'", {
          "sources": [
            "native/darwin.cc", "native/darwin_peer.cc", "native/darwin_readiness.cc", "native/posix.cc",
            "native/posix_accounts.cc", "native/posix_claim.cc", "native/posix_path.cc", "native/posix_read.cc",
            "native/posix_thread.cc"
          ],
          "xcode_settings": {
            "CLANG_CXX_LANGUAGE_STANDARD": "c++17",
            "GCC_OPTIMIZATION_LEVEL": "3",
            "GCC_SYMBOLS_PRIVATE_EXTERN": "YES",
            "MACOSX_DEPLOYMENT_TARGET": "11.0",
            "OTHER_CPLUSPLUSFLAGS": ["-isystem", "../<(node_api_headers)", "-isystem", "../<(simdjson)", "<@(warnings)"]
          }
        }],
        # For Visual C++, which has never been run; the shipped binary is made by release/win32-x64.sh.
        ["OS=='win'", {
          "sources": [
            "native/win32.cc", "native/win32_client.cc", "native/win32_identity.cc", "native/win32_loop.cc",
            "native/win32_pipe.cc", "native/win32_server.cc", "native/win32_sid.cc", "native/win32_wire.cc"
          ],
          "defines": ["_WIN32_WINNT=0x0A00"],
          "include_dirs": ["<(node_api_headers)", "<(simdjson)"],
          "libraries": ["-ladvapi32.lib", "-lntdll.lib"],
          "msvs_settings": {
            "VCCLCompilerTool": { "AdditionalOptions": ["/std:c++17", "/utf-8"], "ExceptionHandling": 1 }
          }
        }]
      ]
    }
  ]
}
