"""Receives from programs of the same user and prints what comes. Usage: receiver.py /run/user/1000/sentinel-events.sock"""
import json, os, socket, sys
import soc

path = sys.argv[1]
os.umask(0o177)  # the socket is never open to others
with socket.socket(socket.AF_UNIX) as listener:
    listener.bind(path)
    listener.listen()
    print("listening", flush=True)
    connection, _ = listener.accept()
    pid, uid, gid = soc.peer(connection)
    if uid != os.geteuid():
        sys.exit(f"refused uid {uid}")
    connection.settimeout(30)
    with connection, connection.makefile("rb") as lines:
        while line := lines.readline(soc.MAX_BYTES + 2):
            try:
                message = soc.parse(line)
            except ValueError as error:
                print("invalid:", error, flush=True)
                continue
            if message is not None:
                print(f"uid {uid}:", message["type"], json.dumps(message.get("payload")), flush=True)
os.unlink(path)
