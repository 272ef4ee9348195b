module sentinel-ipc-bench

go 1.19
