module sentinel-ipc/test/interop/go-peer

go 1.18
