const process = 'the unit or the pod that starts vipd has it';
const log = "vipd logs what changes, not each connection; see the log's settings";
const passive =
  'vipd does not wait for connections of clients to fail: it checks each backend itself (healthCheck.interval, fall, rise)';
const retry = 'vipd has no number of tries: its proxy takes the next backend at once when one refuses';
const hash = 'vipd has roundrobin and leastconn; this takes roundrobin';
const keepalive = 'the proxy of vipd always sets TCP keep-alive';

/** Why directives of nginx are not carried over. Each ends "not carried over: …". */
export const nginxReasons: ReadonlyMap<string, string> = new Map([
  ['include', 'files that it includes are not followed; import their text in its place'],
  ['load_module', process],
  ['user', process],
  ['pid', process],
  ['daemon', process],
  ['events', process],
  ['worker_processes', process],
  ['worker_rlimit_nofile', process],
  ['worker_cpu_affinity', process],
  ['worker_priority', process],
  ['worker_shutdown_timeout', process],
  ['error_log', log],
  ['access_log', log],
  ['log_format', log],
  ['http', 'it is about HTTP, and vipd balances TCP'],
  ['mail', 'it is about mail, and vipd balances TCP'],
  ['map', 'vipd has one list of backends for all connections, whatever the client says'],
  ['split_clients', 'vipd has one list of backends for all connections'],
  ['ssl_preread', 'vipd has one list of backends for all connections, whatever the client says'],
  ['resolver', 'vipd does not resolve names'],
  ['zone', 'vipd has one process, which needs no shared memory'],
  ['hash', hash],
  ['ip_hash', hash],
  ['random', hash],
  ['proxy_timeout', 'vipd has no such timeout, so its proxy ends no connection for being quiet'],
  ['proxy_next_upstream', retry],
  ['proxy_next_upstream_tries', retry],
  ['proxy_next_upstream_timeout', retry],
  ['proxy_socket_keepalive', keepalive],
  ['proxy_buffer_size', 'vipd has no such buffers'],
  ['proxy_half_close', 'vipd always passes the end of one direction on and leaves the other open'],
  ['proxy_bind', "vipd connects from the node's own address"],
  ['tcp_nodelay', 'the proxy of vipd always sets it'],
  ['allow', 'vipd has no rules for single connections'],
  ['deny', 'vipd has no rules for single connections'],
  ['limit_conn', 'vipd has no such limit'],
  ['server max_fails', passive],
  ['server fail_timeout', passive],
  ['server weight', 'it is not a whole number above 0'],
  ['server max_conns', 'vipd has no such limit'],
  ['server resolve', 'vipd does not resolve names'],
  ['listen so_keepalive', keepalive],
  ['listen proxy_protocol', 'vipd takes no PROXY protocol; its clients must not send it'],
]);
