"""Sends three events to a listener of sentinel-ipc. Usage: sender.py /tmp/sentinel-events.sock"""
import os, socket, sys
import soc

with socket.socket(socket.AF_UNIX) as connection:
    connection.connect(sys.argv[1])
    pid, uid, gid = soc.peer(connection)
    if uid != os.geteuid():  # before a byte is sent
        sys.exit(f"uid {uid} listens at {sys.argv[1]}")
    for number in range(1, 4):
        connection.sendall(soc.line("soc_event", {"from": "python", "number": number}, str(number)))
