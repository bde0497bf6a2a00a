import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

/** The number of sendmsg(2). */
const sendmsg: Readonly<Record<string, number>> = { x64: 46, arm64: 211 };

/**
 * Runs Perl as a peer that may say what no vipd would, and resolves with what it prints. `$s` is its socket, connected to the path; `tell(bytes, files…)`
 * sends one message.
 * @param as a command that runs it as somebody else
 */
export async function runStranger(path: string, code: string, as: readonly string[] = []): Promise<string> {
  const script = `
    use Socket;
    sub tell_ {
      my ($bytes, @files) = @_;
      my $part = pack('P Q', $bytes, length $bytes);
      my $rights = pack('Q l l l*', 16 + 4 * @files, SOL_SOCKET, 1, map { fileno $_ } @files);
      $rights .= "\\0" x (-length($rights) % 8);
      my $message = pack('Q L x4 P Q P Q l x4', 0, 0, $part, 1, $rights, @files ? length $rights : 0, 0);
      syscall(${sendmsg[process.arch]}, fileno($s), $message, 0) >= 0 or die "sendmsg: $!\\n";
    }
    socket(our $s, AF_UNIX, SOCK_SEQPACKET, 0) or die;
    connect($s, pack_sockaddr_un($ARGV[0])) or die "connect: $!\\n";
    ${code}`;
  const [command = '', ...args] = [...as, 'perl', '-e', script.replaceAll('tell(', 'tell_('), path];
  return (await promisify(execFile)(command, args)).stdout;
}
