// Who is at the other end, as the kernel knows it (unix(7), SO_PEERCRED).
package main

import (
	"fmt"
	"net"
	"os"
	"syscall"
)

func checkPeer(conn *net.UnixConn) error {
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	var peer *syscall.Ucred
	if err := raw.Control(func(fd uintptr) {
		peer, err = syscall.GetsockoptUcred(int(fd), syscall.SOL_SOCKET, syscall.SO_PEERCRED)
	}); err != nil {
		return err
	}
	if err == nil && int(peer.Uid) != os.Geteuid() {
		err = fmt.Errorf("uid %d is at the other end", peer.Uid)
	}
	return err
}
