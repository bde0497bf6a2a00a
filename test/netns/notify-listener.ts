import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';

/** What stands for systemd: a process that listens on a datagram socket, which Node cannot. */
export interface NotifyListener extends AsyncDisposable {
  /** All that was heard, the lines of a message joined by a space. */
  readonly heard: readonly string[];
}

// Perl's core is on every Debian machine.
const script = String.raw`
use Socket;
$| = 1;
my $path = $ARGV[0];
$path =~ s/^@/\0/;
socket(my $socket, AF_UNIX, SOCK_DGRAM, 0) or die "socket: $!";
bind($socket, pack_sockaddr_un($path)) or die "bind: $!";
print "listening\n";
while (defined recv($socket, my $message, 65536, 0)) {
  $message =~ s/\n/ /g;
  print "$message\n";
}
`;

/** @param path one that begins with `@` is an abstract name in this network namespace */
export async function listenForNotifications(path: string): Promise<NotifyListener> {
  const child = spawn('perl', ['-e', script, path], { stdio: ['ignore', 'pipe', 'inherit'] });
  const closed = once(child, 'close');
  const lines = createInterface({ input: child.stdout });
  const [first] = await Promise.race([once(lines, 'line'), closed.then(() => ['nothing'])]);
  if (first !== 'listening') throw new Error(`the listener on ${path} said ${first}`);
  const heard: string[] = [];
  lines.on('line', (line) => heard.push(line));
  return {
    heard,
    async [Symbol.asyncDispose]() {
      child.kill();
      await closed;
    },
  };
}
