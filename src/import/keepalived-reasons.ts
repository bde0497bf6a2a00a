import type { Remarks } from './found.js';
import type { Statement } from './statements.js';

/** Why lines of keepalived.conf are not carried over, by their first word. Each ends "not carried over: …". */

const included = 'files that it includes are not followed; import their text in its place';
const fifo = 'vipd writes to no FIFO; election.vrrp.notify.all is told the same';
const rights = 'scripts run with the rights of vipd';
const tracking = 'vipd follows backends, interfaces and scripts; write a script that says the same by its exit status';
const group = 'write it into the vrrp_instance';
const sending = 'vipd announces in its own way: see announce';
const lvs = 'of LVS only virtual_server is read; write the backends into loadBalancer';
const passedOn = 'vipd checks all backends of a VIP alike, by loadBalancer.healthCheck';
const mail = 'vipd sends no mail; its metrics and log say what happens';
const scheduling = 'vipd needs none: a paused leader gives the address up';
const host = 'the unit or the pod that starts vipd has it';

const both: readonly (readonly [string, string])[] = [
  ...['include', 'includer', 'includem', 'includew', 'includeb', 'includea'].map((word) => [word, included] as const),
  ...['notify', 'notify_master', 'notify_backup', 'notify_fault', 'notify_stop', 'track_script', 'track_interface'].map(
    (word) => [word, group] as const,
  ),
  ['notify_deleted', 'a VIP of vipd goes with the daemon, which election.vrrp.notify.stop is told'],
  ['notify_master_rx_lower_pri', 'vipd has the metric vipd_conflicts_total and its log for it'],
  ['smtp_alert', mail],
];

/** At the top of the file and in `global_defs`. */
export const keepalivedReasons: ReadonlyMap<string, string> = new Map([
  ...both,
  ['vrrp_track_process', tracking],
  ['vrrp_track_file', tracking],
  ['track_file', tracking],
  ['bfd_instance', 'vipd does not speak BFD'],
  ['virtual_server_group', lvs],
  ['static_ipaddress', 'addresses that do not move are for the host to set'],
  ['static_routes', 'routes are for the host to set'],
  ['static_rules', 'routes are for the host to set'],
  ['router_id', 'it names the host in mails; vipd calls a node by node.name'],
  ['notification_email', mail],
  ['notification_email_from', mail],
  ['smtp_server', mail],
  ['smtp_connect_timeout', mail],
  ['smtp_helo_name', mail],
  ['smtp_alert_vrrp', mail],
  ['script_user', rights],
  ['enable_script_security', rights],
  ['max_auto_priority', scheduling],
  ['vrrp_rt_priority', scheduling],
  ['vrrp_priority', scheduling],
  ['vrrp_no_swap', scheduling],
  ['process_names', host],
  ['use_pid_dir', host],
  ['net_namespace', host],
  ['instance', host],
  ['vrrp_skip_check_adv_addr', 'vipd looks at the addresses of every advertisement'],
  [
    'vrrp_strict',
    'vipd keeps to the RFC without it; the VIP always takes connections, as it would with accept beside vrrp_strict',
  ],
  ['vrrp_garp_interval', sending],
  ['vrrp_gna_interval', sending],
  ['vrrp_garp_master_delay', sending],
  ['vrrp_garp_master_refresh_repeat', sending],
  ['vrrp_garp_lower_prio_repeat', sending],
  ['vrrp_garp_lower_prio_delay', sending],
  ['vrrp_min_garp', sending],
  ['vrrp_mcast_group4', 'vipd sends to 224.0.0.18; peers elsewhere do not hear it'],
  ['vrrp_mcast_group6', 'vipd sends to ff02::12; peers elsewhere do not hear it'],
  ['vrrp_startup_delay', 'vipd has no delay at start'],
  ['vrrp_notify_fifo', fifo],
  ['notify_fifo', fifo],
  ['enable_snmp_vrrp', 'vipd has metrics for Prometheus'],
  ['enable_dbus', 'vipd has metrics for Prometheus and vipd status'],
]);

/** In a `vrrp_instance` or a `vrrp_sync_group`. */
export const instanceReasons: ReadonlyMap<string, string> = new Map([
  ...both,
  ['track_process', tracking],
  ['track_file', tracking],
  ['track_bfd', 'vipd does not speak BFD'],
  ['dont_track_primary', 'vipd always follows the state of its interface'],
  [
    'virtual_ipaddress_excluded',
    'vipd advertises every address it has, and peers refuse lists that differ; make it a VIP of its own',
  ],
  ['virtual_routes', 'vipd adds no routes'],
  ['virtual_rules', 'vipd adds no routes'],
  ['use_vmac', 'vipd has the address on the interface itself and announces it; peers with virtual MACs understand it'],
  ['vmac_xmit_base', 'vipd has no virtual MAC'],
  ['use_ipvlan', 'vipd has no virtual MAC'],
  ['mcast_src_ip', "vipd sends to the group from the interface's own address"],
  ['mcast_dst_ip', 'vipd sends to 224.0.0.18 and ff02::12; peers elsewhere do not hear it'],
  ['unicast_ttl', 'vipd sends with TTL 255'],
  ['check_unicast_src', 'vipd takes advertisements of its unicast peers alone'],
  ['strict_mode', 'vipd keeps to the RFC without it'],
  ['accept', 'the VIP always takes connections'],
  ['no_accept', 'the VIP always takes connections'],
  ['garp_master_delay', sending],
  ['garp_master_refresh_repeat', sending],
  ['garp_lower_prio_delay', sending],
  ['garp_lower_prio_repeat', sending],
  ['lower_prio_no_advert', 'vipd answers a lower priority at once (RFC 9568 section 6.4.3)'],
  ['higher_prio_send_advert', 'vipd yields to a higher priority without another word'],
  ['down_timer_adverts', 'vipd waits for 3 advertisements, which must be so on every host'],
  ['auth_hmac', 'vipd does not speak it, and peers that do may refuse advertisements without it'],
  ['global_tracking', tracking],
  ['sync_group_tracking_weight', tracking],
  ['lvs_sync_daemon_interface', lvs],
  ['debug', 'see log.level'],
]);

/** In a `virtual_server`. */
export const virtualServerReasons: ReadonlyMap<string, string> = new Map([
  ['lb_kind', 'vipd masquerades: backends answer through it, and see its address as their client'],
  ['lvs_method', 'vipd masquerades: backends answer through it, and see its address as their client'],
  ['sorry_server', 'vipd has no backup servers: without a backend clients are refused'],
  ['persistence_timeout', 'vipd keeps no client with its backend'],
  ['persistence_granularity', 'vipd keeps no client with its backend'],
  ['ops', 'it is about UDP, and vipd balances TCP'],
  ['quorum', 'without a backend the VIP moves to a node that reaches one (election.vrrp.trackWeight)'],
  ['ha_suspend', 'vipd checks on every node, so that it knows the backends when it takes the VIP'],
  ['connect_timeout', passedOn],
  ['retry', passedOn],
  ['delay_before_retry', passedOn],
]);

/** In a `real_server` and its checks. */
export const serverReasons: ReadonlyMap<string, string> = new Map([
  ['inhibit_on_failure', 'see loadBalancer.whenBackendDown: keep'],
  ['HTTP_GET', 'vipd checks that a server accepts a connection, or HTTPS: see loadBalancer.healthCheck'],
  ['SSL_GET', 'see loadBalancer.healthCheck.type: https'],
  ['MISC_CHECK', 'vipd runs no programs as checks'],
  ['SMTP_CHECK', 'vipd checks that a server accepts a connection, or HTTPS: see loadBalancer.healthCheck'],
  ['uthreshold', 'vipd has no such limit'],
  ['lthreshold', 'vipd has no such limit'],
  ['notify_up', 'vipd runs no programs when a backend turns; its log and metrics say so'],
  ['notify_down', 'vipd runs no programs when a backend turns; its log and metrics say so'],
  ['connect_port', passedOn],
  ['connect_timeout', 'it is not a whole number of seconds'],
  ['retry', 'vipd has loadBalancer.healthCheck.fall and rise'],
  ['delay_before_retry', 'vipd has loadBalancer.healthCheck.fastInterval'],
]);

/** Names a line, or a whole block, that has no counterpart. */
export function leaveOut({ place, words }: Statement, reasons: ReadonlyMap<string, string>, remarks: Remarks): void {
  const [keyword = ''] = words;
  const because = keyword.startsWith('@')
    ? 'lines for some hosts alone are not followed; write the line without @ for this host'
    : (reasons.get(keyword) ?? 'vipd has nothing like it');
  remarks.notCarried(place, words, because);
}
