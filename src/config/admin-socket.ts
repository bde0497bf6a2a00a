/** Where a process' admin socket is until it takes the place of the one before. Each process has a name of its own. */
export function besideSocket(path: string, pid: number): string {
  return `${path}~${pid}`;
}

/**
 * Where a new process comes to go on in place of this one.
 * @param secret eight hexadecimal digits: nobody but the process that is told where
 */
export function doorBeside(path: string, secret: string): string {
  return `${path}.${secret}`;
}

/** Whether a process that goes on by that door, and has the admin socket at the path, takes the place of one that had it there too. */
export function isDoorOf(path: string, door: string): boolean {
  return /^\.[\da-f]{8}$/.test(door.slice(path.length)) && door.startsWith(path);
}

/**
 * Whether a file is one of the above, or a door that is being made (kernel/linux/channels.ts).
 * @param socket the socket's name in its folder
 * @param file the file's there
 */
export function isBesideSocket(socket: string, file: string): boolean {
  return file.startsWith(socket) && /^(~\d+|\.[\da-f]{8}(\.new)?)$/.test(file.slice(socket.length));
}

/** How many bytes an admin socket's path may have: sockaddr_un (unix(7)) has room for 107 and a zero, and for the longest of the above. */
export const adminSocketBytes = 107 - '.12345678.new'.length;
