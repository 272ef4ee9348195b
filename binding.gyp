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
        "cflags_cc!": ["-O3"],
        "cflags_cc": ["-O1", "-Wno-maybe-uninitialized"],
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
      "include_dirs": ["native"],
      "sources": [
        "native/admission/acceptor.cc",
        "native/admission/connection_rate.cc",
        "native/admission/peer_check.cc",
        "native/admission/peer_policy.cc",
        "native/admission/peer_watcher.cc",
        "native/frames/envelope_key.cc",
        "native/frames/escapes.cc",
        "native/frames/field_set.cc",
        "native/frames/frame_layout.cc",
        "native/frames/frame_reader.cc",
        "native/frames/line_checker.cc",
        "native/frames/line_numbers.cc",
        "native/frames/line_scanner.cc",
        "native/frames/own_form.cc",
        "native/node/abi.cc",
        "native/node/acceptor_object.cc",
        "native/node/addon.cc",
        "native/node/convert.cc",
        "native/node/datagrams.cc",
        "native/node/event_loop.cc",
        "native/node/files.cc",
        "native/node/frames.cc",
        "native/node/peers.cc",
        "native/node/reading.cc",
        "native/node/ready_reader.cc",
        "native/node/script.cc",
        "native/readiness/connected_descriptors.cc"
      ],
      "conditions": [
        ["OS=='linux'", {
          "sources": [
            "native/platform/linux/control_group.cc",
            "native/platform/linux/files.cc",
            "native/platform/linux/glibc.cc",
            "native/platform/linux/peer.cc",
            "native/platform/linux/processor.cc",
            "native/platform/linux/readiness.cc",
            "native/platform/linux/system.cc",
            "native/platform/posix/accounts.cc",
            "native/platform/posix/address_claim.cc",
            "native/platform/posix/client.cc",
            "native/platform/posix/datagram.cc",
            "native/platform/posix/file_directory.cc",
            "native/platform/posix/notify.cc",
            "native/platform/posix/safe_path.cc",
            "native/platform/posix/server.cc",
            "native/platform/posix/socket_read.cc",
            "native/platform/posix/thread.cc",
            "native/platform/posix/unix_socket.cc"
          ],
          "cflags_cc": ["-include", "../native/platform/linux/glibc.h", "-isystem", "../<(node_api_headers)", "-isystem", "../<(simdjson)", "<@(warnings)"]
        }],
        # Compiled, never run.
        ["OS=='mac'", {
          "sources": [
            "native/platform/darwin/files.cc",
            "native/platform/darwin/peer.cc",
            "native/platform/darwin/processor.cc",
            "native/platform/darwin/readiness.cc",
            "native/platform/darwin/system.cc",
            "native/platform/posix/accounts.cc",
            "native/platform/posix/address_claim.cc",
            "native/platform/posix/client.cc",
            "native/platform/posix/datagram.cc",
            "native/platform/posix/file_directory.cc",
            "native/platform/posix/notify.cc",
            "native/platform/posix/safe_path.cc",
            "native/platform/posix/server.cc",
            "native/platform/posix/socket_read.cc",
            "native/platform/posix/thread.cc",
            "native/platform/posix/unix_socket.cc"
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
            "native/platform/win32/access_list.cc",
            "native/platform/win32/client.cc",
            "native/platform/win32/file_directory.cc",
            "native/platform/win32/loop_number.cc",
            "native/platform/win32/notify.cc",
            "native/platform/win32/peer.cc",
            "native/platform/win32/pipe.cc",
            "native/platform/win32/server.cc",
            "native/platform/win32/sid.cc",
            "native/platform/win32/system.cc"
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
