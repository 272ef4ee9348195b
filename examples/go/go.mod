module example/peer

go 1.19
