import assert from 'node:assert/strict';
import { test } from 'node:test';
import { imported, problemsOf } from './imported.js';

test('a stream server is a VIP with the upstream it passes to', () => {
  const { vips, remarks } = imported({
    nginx: `
stream {
  upstream kube_apiserver {
    least_conn;
    server 192.168.1.101:6443;
    server 192.168.1.102:6443 weight=1;
    server [2001:db8::103]:6443;
  }
  server {
    listen 192.168.1.100:8443 reuseport;
    proxy_pass kube_apiserver;
    proxy_connect_timeout 3s;
  }
}`,
  });
  assert.deepEqual(vips, [
    {
      name: 'kube-apiserver',
      addresses: ['192.168.1.100'],
      loadBalancer: {
        ports: [8443],
        scheduler: 'leastconn',
        backends: {
          from: 'static',
          servers: [
            { name: '192.168.1.101', address: '192.168.1.101:6443' },
            { name: '192.168.1.102', address: '192.168.1.102:6443' },
            { name: '2001-db8-103', address: '[2001:db8::103]:6443' },
          ],
        },
        connectTimeout: '3s',
      },
    },
  ]);
  assert.match(remarks.join('\n'), /^nginx\.conf:9: kube_apiserver: no file says how the hosts agree/);
  assert.equal(remarks.length, 1);
});

test("the guides' form: passive checks and timeouts are named, one second to connect is vipd's own", () => {
  const { vips, remarks } = imported({
    nginx: `error_log stderr notice;
worker_processes 2;
events { worker_connections 1024; }
stream {
  upstream kubernetes {
    server 192.168.1.101:6443 max_fails=3 fail_timeout=30s weight=5; # first
    server 192.168.1.102:6443 backup;
  }
  server {
    listen 192.168.1.100:6443;
    proxy_pass kubernetes;
    proxy_timeout 10m;
    proxy_connect_timeout 1s;
  }
}
http { server { listen 80; location / { return 404; } } }
`,
  });
  assert.deepEqual(Object.keys(vips[0].loadBalancer), ['backends'], 'the rest is default');
  assert.equal(vips[0].loadBalancer.backends.servers[0].weight, 5);
  assert.deepEqual(
    remarks
      .filter((remark) => remark.includes('not carried over'))
      .map((remark) => remark.split(': ').slice(0, 2).join(' ')),
    [
      'nginx.conf:1 error_log stderr notice',
      'nginx.conf:2 worker_processes 2',
      'nginx.conf:3 events',
      'nginx.conf:6 max_fails=3',
      'nginx.conf:6 fail_timeout=30s',
      'nginx.conf:7 server 192.168.1.102:6443 backup',
      'nginx.conf:12 proxy_timeout 10m',
      'nginx.conf:16 http',
    ],
  );
});

test('weights are carried over; where they are larger than those of vipd, as they are to each other', () => {
  const weightsOf = (...weights: readonly string[]) => {
    const servers = weights.map((weight, index) => `server 10.0.0.${index + 1}:1 weight=${weight};`).join('\n');
    const nginx = `upstream u {\n${servers}\n}\nserver { listen 192.168.1.100:1; proxy_pass u; }`;
    const { vips, remarks } = imported({ nginx });
    const found = vips[0].loadBalancer.backends.servers.map(({ weight = 1 }: { weight?: number }) => weight);
    return { found, remarks: remarks.filter((remark) => remark.includes('weight')) };
  };
  assert.deepEqual(weightsOf('3', '1', '256'), { found: [3, 1, 256], remarks: [] });
  assert.deepEqual(weightsOf('1000', '500', '300').found, [10, 5, 3]);
  assert.deepEqual(weightsOf('1001', '2'), {
    found: [256, 1],
    remarks: [
      'nginx.conf:2: server 10.0.0.1 weight 1001: it becomes 256, because the largest weight of vipd is 256',
      'nginx.conf:3: server 10.0.0.2 weight 2: it becomes 1, because the largest weight of vipd is 256',
    ],
  });
  const none = weightsOf('0', 'x');
  assert.deepEqual(none.found, [1, 1]);
  assert.match(none.remarks[0] ?? '', /conf:2: weight=0: not carried over: it is not a whole number above 0$/);
});

test('files that stream includes, servers without an upstream, times that stream has', () => {
  const included = imported({ nginx: 'server { listen 192.168.1.100:443; proxy_pass 10.0.0.1:30443; }' });
  assert.equal(included.vips[0].name, 'port-443');
  assert.deepEqual(included.vips[0].loadBalancer.backends.servers, [{ name: '10.0.0.1', address: '10.0.0.1:30443' }]);
  const times = (text: string) =>
    imported({
      nginx: `stream { proxy_connect_timeout ${text}; server { listen 192.168.1.100:1; proxy_pass 10.0.0.1:1; } }`,
    });
  for (const [text, expected] of [
    ['5', '5s'],
    ['250ms', '250ms'],
    ['1m30s', '90s'],
  ] as const)
    assert.equal(times(text).vips[0].loadBalancer.connectTimeout, expected);
  assert.match(times('soon').remarks.join('\n'), /proxy_connect_timeout soon: not carried over: it is not a time/);
});

test('servers of one address are told apart by their ports, and one that is listed twice is named', () => {
  const { vips, remarks } = imported({
    nginx: `upstream a {
  server 10.0.0.1:1;
  server 10.0.0.1:2;
  server 10.0.0.1:1;
}
server { listen 192.168.1.100:1; proxy_pass a; }`,
  });
  assert.deepEqual(vips[0].loadBalancer.backends.servers, [
    { name: '10.0.0.1', address: '10.0.0.1:1' },
    { name: '10.0.0.1-2', address: '10.0.0.1:2' },
  ]);
  assert.match(
    remarks.join('\n'),
    /conf:4: server 10\.0\.0\.1-1: not carried over: the server of line 2 has the same address/,
  );
});

test('servers that vipd cannot be are named as a whole', () => {
  const server = (lines: string) => imported({ nginx: `server {\n${lines}\nproxy_pass 10.0.0.1:1;\n}` });
  for (const line of [
    'listen 192.168.1.100:53 udp;',
    'listen 192.168.1.100:443 ssl;',
    'proxy_protocol on;',
    'proxy_ssl on;',
  ]) {
    const { vips, remarks } = server(line);
    assert.deepEqual(vips, [], line);
    assert.match(remarks.join('\n'), /conf:2: .*: not carried over: .*; nothing of this server is$/, line);
  }
  for (const line of ['listen unix:/run/x.sock;', 'listen 127.0.0.1:6443;', 'listen name:1;'])
    assert.match(server(line).remarks.join('\n'), /conf:2: listen .*: not carried over: /, line);
  const mapped = imported({ nginx: 'server {\nlisten 1;\nssl_preread on;\nproxy_pass $name;\n}' });
  assert.match(mapped.remarks.join('\n'), /conf:4: proxy_pass \$name: not carried over: .*whatever the client says/);
  const names = imported({
    nginx: 'upstream a { server cp1:6443; server unix:/run/x; }\nserver { listen 1; proxy_pass a; }',
  });
  assert.match(names.remarks.join('\n'), /server cp1:6443: not carried over: vipd does not resolve names/);
  assert.match(
    imported({ nginx: 'server { listen 1; }\nupstream b { server 10.0.0.1:1; }' }).remarks.join('\n'),
    /no proxy_pass.*\n.*upstream b: not carried over/,
  );
});

test('statements end with ; and blocks with }', () => {
  assert.deepEqual(problemsOf({ nginx: 'stream {\n  server { listen 1 }\n}' }), [
    'nginx.conf:2: "listen" is not ended; write ; after it',
  ]);
  assert.deepEqual(problemsOf({ nginx: 'stream {\n' }), [
    'nginx.conf:1: "stream {" is never closed; write the missing }',
  ]);
  assert.deepEqual(problemsOf({ nginx: 'user nginx' }), ['nginx.conf:1: "user" is not ended; write ; after it']);
  assert.match(problemsOf({ nginx: "\nlog_format x 'never" })[0] ?? '', /^nginx\.conf:2: the quote ' is never closed/);
});
