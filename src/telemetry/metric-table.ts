/** One metric: what /metrics says of it, and docs/metrics.md. */
export interface Metric<Label extends string> {
  readonly name: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly help: string;
  readonly labels: readonly Label[];
  /** Upper bounds in seconds, for histograms. */
  readonly buckets?: readonly number[];
}

const network = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];

/** Every metric of the daemon's own; the first three have kube-vip's names. */
export const metricTable = {
  isLeader: gauge('kube_vip_is_leader', 'Whether this node leads (1) or not (0).', ['node', 'lease_name']),
  transitions: counter('kube_vip_leader_election_transitions_total', 'Changes of the leader that this node saw.', [
    'lease_name',
  ]),
  buildInfo: gauge('kube_vip_build_info', 'Always 1; the labels say which vipd this is.', ['version', 'node']),
  held: gauge('vipd_vip_held', "Whether the address is on this node's interface (1) or not (0).", ['vip', 'address']),
  leaseAge: gauge('vipd_lease_age_seconds', 'Time since this node last saw the Lease renewed.', ['lease_name']),
  leaseRenew: histogram(
    'vipd_lease_renew_seconds',
    'How long the API took for a successful renewal of the Lease.',
    ['lease_name'],
    network,
  ),
  takeover: histogram(
    'vipd_takeover_seconds',
    'From the decision to lead to the first announcement of the VIP.',
    ['vip'],
    network,
  ),
  announcements: counter('vipd_announcements_total', 'Announcements of the VIP that were sent, by form.', [
    'vip',
    'form',
  ]),
  conflicts: counter(
    'vipd_conflicts_total',
    'Claims of the VIP by another host, seen while this node held it, or answered when it was taken.',
    ['vip'],
  ),
  vrrpSent: counter('vipd_vrrp_advertisements_sent_total', 'VRRP advertisements that were sent, by address family.', [
    'vip',
    'family',
  ]),
  vrrpReceived: counter(
    'vipd_vrrp_advertisements_received_total',
    'VRRP advertisements of other routers that counted, by address family.',
    ['vip', 'family'],
  ),
  vrrpRefused: counter(
    'vipd_vrrp_advertisements_refused_total',
    'VRRP advertisements on the own virtual router that were not listened to, by reason: a peer that is refused becomes a second master.',
    ['vip', 'reason'],
  ),
  vrrpPriority: gauge(
    'vipd_vrrp_priority',
    'The priority that this router advertises: as configured, or as tracking has it.',
    ['vip'],
  ),
  vrrpState: gauge('vipd_vrrp_state', 'Always 1; the label says what this router is: MASTER, BACKUP, FAULT.', [
    'vip',
    'state',
  ]),
  vrrpTransitions: counter('vipd_vrrp_transitions_total', 'Changes of the VRRP master that this node saw.', ['vip']),
  dataPlane: gauge('vipd_data_plane', 'Always 1; the label mode says how connections reach the backends.', [
    'vip',
    'mode',
    'because',
  ]),
  backendUp: gauge('vipd_backend_up', 'Whether the backend is up and gets new connections (1) or not (0).', [
    'vip',
    'backend',
  ]),
  check: histogram(
    'vipd_check_seconds',
    'How long health checks took, failed ones included.',
    ['vip', 'backend'],
    network,
  ),
  connectionsOpen: gauge('vipd_connections_open', 'Open connections through this node.', ['vip', 'backend']),
  connections: counter(
    'vipd_connections_total',
    'Connections that a backend accepted; in the kernel, that were given to it.',
    ['vip', 'backend'],
  ),
  connectionsFailed: counter(
    'vipd_connections_failed_total',
    'Attempts that the backend refused or did not answer in time; only the proxy knows.',
    ['vip', 'backend'],
  ),
  connectionsReset: counter(
    'vipd_connections_reset_total',
    'Connections that ended with a reset from or to the backend; only the proxy knows.',
    ['vip', 'backend'],
  ),
  connectionsRefused: counter(
    'vipd_connections_refused_total',
    'Connections of clients that no backend took; only the proxy knows.',
    ['vip'],
  ),
  connectionsEnded: counter(
    'vipd_connections_ended_total',
    "Connections that ended, and clients that were refused, by HAProxy's two letters for why: -- in order, CD and SD reset by client and backend, cD and sD vanished, CC the client left before it had a backend, SC and sC no backend took it, RC descriptors or memory were short, DD the backend went down, KD the VIP was given up; only the proxy knows.",
    ['vip', 'code'],
  ),
  bytes: counter(
    'vipd_bytes_total',
    'What was carried, from_client or to_client: payload in the proxy, whole IP packets in the kernel.',
    ['vip', 'backend', 'direction'],
  ),
  loopLag: histogram(
    'vipd_event_loop_lag_seconds',
    'By how much the event loop was late, measured once a second.',
    [],
    [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5],
  ),
  apiRequests: counter('vipd_api_requests_total', 'Requests to the Kubernetes API, by verb and result.', [
    'verb',
    'result',
  ]),
} as const;

function counter<const Label extends string>(name: string, help: string, labels: readonly Label[]): Metric<Label> {
  return { name, type: 'counter', help, labels };
}

function gauge<const Label extends string>(name: string, help: string, labels: readonly Label[]): Metric<Label> {
  return { name, type: 'gauge', help, labels };
}

function histogram<const Label extends string>(
  name: string,
  help: string,
  labels: readonly Label[],
  buckets: readonly number[],
): Metric<Label> {
  return { name, type: 'histogram', help, labels, buckets };
}
