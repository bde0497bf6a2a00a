/** A backend's ports, by what it does there first. */
export const servers = { asked: 7000, first: 7001, greeting: 7002, silent: 7003 } as const;

export const hosts = {
  vipd: '10.82.0.1',
  /** Another vipd, with few descriptors. */
  tight: '10.82.0.2',
  client: '10.82.0.10',
  /** Nothing ever happens to this one. */
  witness: '10.82.0.11',
  server: '10.82.0.20',
  /** To this one everything does. */
  mortal: '10.82.0.21',
} as const;

/** What is listened on, and where it leads. */
export const vips = {
  asked: { host: '10.82.0.100', server: 'server', port: servers.asked },
  first: { host: '10.82.0.101', server: 'server', port: servers.first },
  greeting: { host: '10.82.0.102', server: 'server', port: servers.greeting },
  silent: { host: '10.82.0.103', server: 'server', port: servers.silent },
  mortal: { host: '10.82.0.104', server: 'mortal', port: servers.asked },
  /** The other vipd's. */
  tight: { host: '10.82.0.106', server: 'server', port: servers.asked },
  witness: { host: '10.82.0.105', server: 'server', port: servers.asked },
} as const;

export type Vip = keyof typeof vips;

/** Every VIP's. */
export const vipPort = 6443;
/** How long the relay waits for a backend, in ms. */
export const connectTimeout = 3000;
