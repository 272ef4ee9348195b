# Starts a process that connects to a socket before anything accepts from it, brings about the fate of that process, and becomes
# the listener. Arguments: the fate, the path of the socket, the file cgroup.procs of a control group for the process ('' for
# none), and the listener's command.
#   alive    the process runs `sleep`
#   zombie   the process has ended, and nothing has waited for it
#   reused   the process has ended, and `sleep` runs under its process id
import os, socket, subprocess, sys

fate, path, group, *command = sys.argv[1:]
listening = socket.socket(socket.AF_UNIX)
listening.bind(path)
listening.listen(8)
client = socket.socket(socket.AF_UNIX)


def join_group():
    if group:
        with open(group, 'w') as file:
            file.write(str(os.getpid()))


process = os.fork()
if process == 0:
    join_group()
    client.connect(path)
    if fate == 'alive':
        os.execvp('sleep', ['sleep', '30'])
    os._exit(0)
if fate == 'alive':
    while os.readlink(f'/proc/{process}/exe') == os.readlink('/proc/self/exe'):
        pass
else:
    os.waitid(os.P_PID, process, os.WEXITED | os.WNOWAIT)
if fate == 'reused':
    os.waitpid(process, 0)
    with open('/proc/sys/kernel/ns_last_pid', 'w') as file:
        file.write(str(process - 1))
    successor = subprocess.Popen(['sleep', '30'], preexec_fn=join_group)
    if successor.pid != process:
        sys.exit(f'{successor.pid} instead of {process}')
os.dup2(listening.fileno(), 3)
os.set_inheritable(3, True)
# The client's end stays open in this process.
os.set_inheritable(client.fileno(), True)
os.execv(command[0], command)
