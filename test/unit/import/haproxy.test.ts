import assert from 'node:assert/strict';
import { test } from 'node:test';
import { imported, problemsOf, unfilled } from './imported.js';

/** A listen at 192.168.1.100:6443 with these lines besides. */
function listenWith(lines: string) {
  const { vips, remarks } = imported({ haproxy: `listen api\nbind 192.168.1.100:6443\n${lines}` });
  const said = remarks.filter((remark) => !remark.includes('no file says how the hosts agree'));
  return { vip: vips[0], balancer: vips[0].loadBalancer, remarks: said.join('\n') };
}
const servers = 'server cp1 192.168.1.101:6443 check\nserver cp2 192.168.1.102:6443 check\n';

test('a listen is a VIP with its ports, servers and times', () => {
  const { vip, remarks } = listenWith(`
    balance leastconn
    timeout connect 500
    default-server inter 10s fastinter 1s fall 5 rise 3
    ${servers}`);
  assert.equal(remarks, '');
  assert.deepEqual(vip, {
    name: 'api',
    addresses: ['192.168.1.100'],
    loadBalancer: {
      scheduler: 'leastconn',
      backends: {
        from: 'static',
        servers: [
          { name: 'cp1', address: '192.168.1.101:6443' },
          { name: 'cp2', address: '192.168.1.102:6443' },
        ],
      },
      healthCheck: { interval: '10s', fastInterval: '1s', timeout: '10s', fall: 5, rise: 3 },
      connectTimeout: '500ms',
    },
  });
});

test('forms of blogs: fall and rise beside check, tcp-check, httpchk with TLS', () => {
  const tcp = listenWith('option tcp-check\nserver cp1 192.168.1.101:6443 check fall 3 rise 2\n');
  assert.equal(tcp.remarks, '');
  assert.equal(tcp.balancer.healthCheck, undefined, 'what the defaults of vipd are');
  const other = listenWith('option tcp-check\nserver cp1 192.168.1.101:6443 check fall 2 rise 1\n');
  assert.deepEqual(other.balancer.healthCheck, { fall: 2, rise: 1 });

  const https = listenWith(`option httpchk GET /readyz HTTP/1.0
    http-check expect status 200
    default-server verify none check-ssl inter 10s rise 2 fall 2
    server node1 192.168.1.101:6443 check\n`);
  assert.equal(https.remarks, '');
  assert.deepEqual(https.balancer.healthCheck, {
    type: 'https',
    path: '/readyz',
    aliveStatuses: [200],
    insecure: true,
    interval: '10s',
    timeout: '10s',
    fall: 2,
  });

  const trusted = listenWith(`option httpchk GET /readyz
    http-check expect status 200,401
    server cp1 192.168.1.101:6443 check check-ssl ca-file /etc/ssl/ca.crt check-sni str(kubernetes)\n`);
  assert.deepEqual(trusted.balancer.healthCheck, {
    type: 'https',
    path: '/readyz',
    aliveStatuses: [200, 401],
    ca: '/etc/ssl/ca.crt',
    serverName: 'kubernetes',
  });
});

test("kubeadm's former form: httpchk and a greeting over TLS is an https check", () => {
  const { balancer, remarks } = listenWith(`option httpchk GET /healthz
    http-check expect status 200
    option ssl-hello-chk
    ${servers}`);
  assert.deepEqual(balancer.healthCheck, { type: 'https', path: '/healthz', aliveStatuses: [200], insecure: true });
  assert.match(remarks, /cfg:5: option ssl-hello-chk: vipd asks GET \/healthz over TLS/);
});

test('a check by HTTP without TLS is none that vipd has', () => {
  const { balancer, remarks } = listenWith(`option httpchk GET /healthz\n${servers}`);
  assert.equal(balancer.healthCheck, undefined);
  assert.match(remarks, /cfg:3: option httpchk GET \/healthz: not carried over: .*without TLS; this takes tcp/);
  assert.match(listenWith(`option ssl-hello-chk\n${servers}`).remarks, /ssl-hello-chk: not carried over/);
  const replaced = listenWith(
    `option httpchk GET /healthz\nhttp-check expect status 200\noption tcp-check\n${servers}`,
  );
  assert.equal(replaced.balancer.healthCheck, undefined);
  assert.match(
    replaced.remarks,
    /cfg:3: option httpchk GET \/healthz: not carried over: line 5 has the check that counts/,
  );
  assert.match(replaced.remarks, /cfg:4: http-check expect status 200: not carried over/);
});

test('times of checks count where servers are checked, and all servers alike', () => {
  assert.equal(listenWith('server cp1 192.168.1.101:6443 inter 10s\n').balancer.healthCheck, undefined);
  const { balancer, remarks } = listenWith(
    'server cp1 192.168.1.101:6443 check fall 4\nserver cp2 192.168.1.102:6443 check fall 5\n',
  );
  assert.deepEqual(balancer.healthCheck, { fall: 4 });
  assert.match(remarks, /cfg:4: fall 5: not carried over: all backends of a VIP are checked alike/);
  assert.equal(listenWith(`timeout check 10s\n${servers}`).balancer.healthCheck.timeout, '10s');
});

test('servers that vipd cannot have are left out and named', () => {
  const { balancer, remarks } = listenWith(`${servers}
    server spare 192.168.1.109:6443 check backup
    server named cp3.example.org:6443 check
    server tls 192.168.1.104:6443 ssl verify none
    server off 192.168.1.105:6443 disabled
    server proxied 192.168.1.106:6443 send-proxy
    server cp1 192.168.1.107:6443
    server ${unfilled('HOST1_ID')} ${unfilled('HOST1_ADDRESS')}:6443 check
    server K8S_Master_1 192.168.1.108 check weight 50
    server empty 192.168.1.110:6443 check weight 0
    server heavy 192.168.1.111:6443 check weight 257\n`);
  assert.deepEqual(
    balancer.backends.servers.map(({ name, address }: { name: string; address: string }) => `${name} ${address}`),
    ['cp1 192.168.1.101:6443', 'cp2 192.168.1.102:6443', 'k8s-master-1 192.168.1.108:6443', 'heavy 192.168.1.111:6443'],
  );
  for (const words of [
    '6: server spare 192.168.1.109:6443: not carried over: vipd has no backup servers',
    '7: server named cp3.example.org:6443: not carried over: vipd does not resolve names',
    '8: server tls 192.168.1.104:6443: not carried over: vipd hands TLS through',
    '9: server off 192.168.1.105:6443: not carried over: it is disabled',
    '10: server proxied 192.168.1.106:6443: not carried over: vipd sends no PROXY protocol',
    '11: server cp1: not carried over: the server of line 3 has the same name',
    `12: server ${unfilled('HOST1_ID')} ${unfilled('HOST1_ADDRESS')}:6443 check: not carried over: ${unfilled('HOST1_ID')} is not filled in`,
    '13: server K8S_Master_1: vipd calls it k8s-master-1',
    '14: server empty 192.168.1.110:6443: not carried over: its weight is 0, so that it is to be drained; write it into loadBalancer.backends.servers, then run vipd backend drain',
    '15: weight 257: not carried over: it is not a number that it could be',
  ])
    assert.ok(remarks.includes(`haproxy.cfg:${words}`), `${words}\n${remarks}`);
});

test('weights are carried over, those of default-server too', () => {
  const { balancer, remarks } = listenWith(`default-server weight 10
    server a 192.168.1.101:6443
    server b 192.168.1.102:6443 weight 256
    server c 192.168.1.103:6443 weight 1\n`);
  assert.deepEqual(
    balancer.backends.servers.map(({ weight }: { weight?: number }) => weight),
    [10, 256, undefined],
  );
  assert.doesNotMatch(remarks, /weight/);
});

test('a VIP without a server says so, in the remarks and to config check', () => {
  const { balancer, remarks } = listenWith('');
  assert.deepEqual(balancer, { backends: { from: 'static' } });
  assert.match(remarks, /cfg:1: api: none of its servers can be carried over; write loadBalancer\.backends\.servers/);
});

test('a frontend takes the backend it names, and what defaults say', () => {
  const { vips, remarks } = imported({
    haproxy: `
defaults
  mode tcp
  timeout connect 2s
frontend in
  bind 192.168.1.100:6443
  bind 192.168.1.100:8443 name second
  default_backend out
backend out
  ${servers}
defaults named
  mode http
  timeout connect 9s
backend other from named
  server w1 192.168.1.111:80
`,
  });
  assert.deepEqual(vips[0].loadBalancer.ports, [6443, 8443]);
  assert.equal(vips[0].loadBalancer.connectTimeout, '2s');
  assert.match(remarks.join('\n'), /cfg:13: defaults named: not carried over: nothing that is carried over takes them/);
  assert.match(remarks.join('\n'), /cfg:16: backend other from named: not carried over/);
});

test('what is not TCP is named as a whole', () => {
  const text = `
listen stats
  mode http
  bind *:9000
  stats enable
frontend web
  bind 192.168.1.100:443 ssl crt /etc/ssl/site.pem
  default_backend out
frontend lost
  bind 192.168.1.100:1
  default_backend nowhere
frontend alone
  bind 192.168.1.100:2
backend out
  server a 192.168.1.101:80
peers mine
  peer a 192.168.1.1:1024
`;
  const { vips, remarks } = imported({ haproxy: text });
  assert.deepEqual(vips, []);
  assert.deepEqual(
    remarks.map((remark) => remark.replace(/; nothing of this .*/, '')),
    [
      'haproxy.cfg:2: listen stats: not carried over: vipd balances TCP, and this is mode http',
      'haproxy.cfg:7: bind 192.168.1.100:443 ssl crt /etc/ssl/site.pem: not carried over: vipd hands TLS through and ends none',
      'haproxy.cfg:11: default_backend nowhere: not carried over: no backend has this name',
      'haproxy.cfg:12: frontend alone: not carried over: it has no default_backend',
      'haproxy.cfg:14: backend out: not carried over: nothing that is carried over hands connections to it',
      'haproxy.cfg:16: peers mine: not carried over: vipd has nothing like this section',
    ],
  );
});

test('forms of bind', () => {
  const portsOf = (bind: string) => {
    const { vips, remarks } = imported({ haproxy: `listen api\nbind ${bind}\n${servers}` });
    return { vip: vips[0], remarks: remarks.join('\n') };
  };
  for (const bind of ['*:8443', ':8443', '0.0.0.0:8443', '[::]:8443 v4v6', ':::8443 v4v6', 'ipv4@*:8443']) {
    const { vip, remarks } = portsOf(bind);
    assert.deepEqual(vip.loadBalancer.ports, [8443], bind);
    assert.match(remarks, /cfg:2: bind .*: no file names the virtual IP; write addresses/, bind);
    assert.doesNotMatch(remarks, /not carried over/);
  }
  assert.deepEqual(portsOf('[2001:db8::100]:8443').vip.addresses, ['2001:db8::100']);
  assert.deepEqual(portsOf('192.168.1.100:8443,192.168.1.100:9443').vip.loadBalancer.ports, [8443, 9443]);
  for (const bind of [
    '127.0.0.1:6443',
    '/run/api.sock',
    'unix@/run/api.sock',
    '*:8000-8010',
    `*:${unfilled('PORT')}`,
    'host:1',
    '*',
  ])
    assert.match(portsOf(bind).remarks, /cfg:2: bind .*: not carried over: /, bind);
  assert.match(
    portsOf('192.168.1.100:6443 accept-proxy').remarks,
    /accept-proxy: not carried over: vipd takes no PROXY/,
  );
});

test('every other line is named, those of defaults once', () => {
  const { remarks } = imported({
    haproxy: `
global
  maxconn 20000
defaults
  timeout tunnel 24h
  frobnicate
listen a
  bind 192.168.1.100:6443
  ${servers}
listen b
  bind 192.168.1.101:6443
  server cp1 192.168.1.101:6443 observe layer4 maxconn 1000
  use_backend c if { ssl_fc }
  balance source
`,
  });
  const named = remarks
    .filter((remark) => remark.includes('not carried over'))
    .map((remark) => remark.split(': ').slice(0, 2).join(' '));
  assert.deepEqual(named, [
    'haproxy.cfg:3 maxconn 20000',
    'haproxy.cfg:5 timeout tunnel 24h',
    'haproxy.cfg:6 frobnicate',
    'haproxy.cfg:14 observe layer4',
    'haproxy.cfg:14 maxconn 1000',
    'haproxy.cfg:15 use_backend c if { ssl_fc }',
    'haproxy.cfg:16 balance source',
  ]);
});

test('quotes hold words together, and what is not closed is refused', () => {
  const { balancer } = listenWith(`'server' "cp1" 192.168.1.101:"6443" check # comment\n`);
  assert.equal(balancer.backends.servers[0].address, '192.168.1.101:6443');
  assert.match(problemsOf({ haproxy: 'global\nlog "x' })[0] ?? '', /^haproxy\.cfg:2: the quote " is never closed/);
  assert.match(problemsOf({ haproxy: 'a\\' })[0] ?? '', /^haproxy\.cfg:1: the line ends with/);
  const loose = imported({ haproxy: 'bind *:1\n' });
  assert.match(loose.remarks[0] ?? '', /cfg:1: bind \*:1: not carried over: it stands before the first section/);
});
