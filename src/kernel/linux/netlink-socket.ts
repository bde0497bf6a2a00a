// Only the package's lowest layer: the whole of it costs 7 MB more and knows neither IFA_PROTO nor nf_tables.
import { RawNetlinkSocket } from 'netlink/dist/raw.js';
import { KernelError } from '../errors.js';

export const netlinkProtocol = { route: 0, netfilter: 12, generic: 16 } as const;

export interface NetlinkSocket extends Disposable {
  /** Whether the next datagram is in the kernel's hands when `send` returns. */
  readonly sendsAtOnce: boolean;
  /**
   * Sends one datagram to the kernel; one sent before the last one's completion was reported waits for the event loop (a property of
   * the package). False when it is longer than the kernel lets a datagram be (`net.core.wmem_max`, twice): then nothing was sent, and
   * the socket is as good as before.
   */
  send(datagram: Uint8Array): boolean;
  /** Whether the process lives on for what may come, as it does from the beginning. */
  awaits(anything: boolean): void;
}

/**
 * Opens a netlink socket. `onDatagram` gets what the kernel sends, `onError` the code of a failure, after which the socket is to
 * be disposed; both are never called after disposal. Neither may throw: the package's C++ frames turn that into an abort.
 * Throws KernelError.
 */
export function openNetlinkSocket(
  protocol: number,
  onDatagram: (datagram: Uint8Array) => void,
  onError: (code: string) => void,
): NetlinkSocket {
  let open = true;
  let unreported = 0;
  const fail = (error: unknown) => {
    if (open) onError(codeOf(error));
  };
  const raw = create(protocol);
  raw.on('error', fail);
  raw.on('message', (datagram, sender) => {
    // Port 0 is the kernel; any process may write to a netlink port that it knows.
    if (open && sender.port === 0) onDatagram(datagram);
  });
  return {
    get sendsAtOnce() {
      return unreported === 0;
    },
    send(datagram) {
      try {
        if (!hasRoom(raw, datagram.length)) return false;
        raw.send(datagram, {}, (error) => {
          // While it reports, the package makes what is sent wait.
          setImmediate(() => unreported--);
          if (error !== undefined) fail(error);
        });
        unreported++;
      } catch (error) {
        fail(error);
      }
      return true;
    },
    awaits(anything) {
      try {
        if (anything) raw.ref();
        else raw.unref();
      } catch (error) {
        fail(error);
      }
    },
    [Symbol.dispose]() {
      if (!open) return;
      open = false;
      // Not from within one of the package's callbacks, which go on using what close() frees.
      setImmediate(() => raw.close());
    },
  };
}

/** netlink_sendmsg() takes what is shorter than the send buffer less 32 bytes (net/netlink/af_netlink.c). */
function hasRoom(raw: RawNetlinkSocket, length: number): boolean {
  const fits = () => length <= raw.getSendBufferSize() - 32;
  if (fits()) return true;
  raw.setSendBufferSize(length + 32);
  return fits();
}

function create(protocol: number): RawNetlinkSocket {
  try {
    return new RawNetlinkSocket(protocol);
  } catch (error) {
    throw new KernelError('open a netlink socket', codeOf(error), { cause: error });
  }
}

function codeOf(error: unknown): string {
  const code = (error as { readonly code?: unknown }).code;
  return typeof code === 'string' ? code : 'EIO';
}
