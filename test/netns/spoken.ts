import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { promisify } from 'node:util';
import type { Daemon } from '../../src/lab/daemon.js';
import type { Host } from '../../src/lab/network.js';
import { until } from './poll.js';

/**
 * The different advertisements that a program sends from a host, from its start to its orderly stop: each as tcpdump describes it,
 * Ethernet's and IP's headers included, and its bytes from the IP header on. An IPv4 packet's identification and the checksum over
 * it are `----`: they are another one's in each packet.
 * @param file where the capture may be written
 */
export async function spokenBy(host: Host, file: string, start: () => Promise<Daemon>): Promise<readonly string[]> {
  const filter = `ether src ${host.mac} and (proto 112 or ip6 proto 112)`;
  const options = ['-i', 'eth0', '-U', '--immediate-mode', '-Z', 'root', '-w', file, filter];
  const capture = host.spawn('tcpdump', options, { stdio: ['ignore', 'ignore', 'pipe'] });
  const captureEnded = once(capture, 'exit');
  let isCapturing = false;
  capture.stderr?.on('data', (text: Buffer) => {
    isCapturing ||= text.includes('listening on');
  });
  await until(() => isCapturing, { what: 'tcpdump' });
  const daemon = await start();
  await until(async () => (await read(file)).length >= 3, { every: 100, what: 'three advertisements' });
  daemon.signal('SIGTERM');
  await daemon.ended;
  await until(async () => (await read(file)).some((text) => text.includes(' prio 0,')), { what: 'a farewell' });
  capture.kill('SIGINT');
  await captureEnded;
  return [...new Set(await read(file))];
}

async function read(file: string): Promise<readonly string[]> {
  // -e: Ethernet; -t: no time; -x: the bytes.
  const { stdout } = await promisify(execFile)('tcpdump', ['-r', file, '-n', '-t', '-e', '-vv', '-x']);
  return stdout
    .split(/\n(?=\S)/)
    .filter((text) => text !== '')
    .map((text) => text.trim().replace(/ id \d+,/, ' id ----,'))
    .map((text) => text.replace(/(0x0000: {2}45\S\S \S{4}) \S{4} (\S{4} \S{4}) \S{4}/, '$1 ---- $2 ----'));
}
