import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loadSettings } from '../../../src/config/load.js';
import { withFile } from './checked.js';
import { imported, problemsOf, unfilled } from './imported.js';

/** An instance with one address and these lines besides. */
function instance(lines: string, name = 'VI_1', address = '192.168.1.100'): string {
  return `vrrp_instance ${name} {\n${lines}\nvirtual_router_id 51\nvirtual_ipaddress {\n${address}\n}\n}\n`;
}

function vrrpOf(lines: string, address?: string) {
  const { vips, remarks } = imported({ keepalived: instance(lines, 'VI_1', address) });
  return { vrrp: vips[0].election.vrrp, vip: vips[0], remarks: remarks.join('\n') };
}

test('every setting of an instance that vipd has is carried over', () => {
  const { vip, remarks } = vrrpOf(`
    interface ens192
    priority 90
    advert_int 2
    nopreempt
    authentication {
      auth_type PASS
      auth_pass secret
    }
    unicast_src_ip 192.168.1.11
    unicast_peer {
      192.168.1.12
      192.168.1.13
    }
    garp_master_repeat 3
    garp_master_refresh 60`);
  assert.equal(remarks, '');
  assert.deepEqual(vip, {
    name: 'vi-1',
    addresses: ['192.168.1.100'],
    interface: 'ens192',
    election: {
      type: 'vrrp',
      vrrp: {
        version: 2,
        virtualRouterId: 51,
        priority: 90,
        advertInterval: '2s',
        preempt: false,
        authPass: 'secret',
        unicastSource: '192.168.1.11',
        unicastPeers: ['192.168.1.12', '192.168.1.13'],
      },
    },
    announce: { burst: 3, interval: '60s' },
    loadBalancer: { mode: 'off' },
  });
});

test('the version is 2, 3 with IPv6, or what the file says; each counts in its own units', () => {
  assert.equal(vrrpOf('').vrrp.version, 2);
  assert.equal(vrrpOf('', '2001:db8::100').vrrp.version, undefined, '3 is the default of vipd');
  assert.equal(vrrpOf('version 3').vrrp.version, undefined);
  const global = imported({ keepalived: `global_defs { vrrp_version 3\n}\n${instance('advert_int 0.1')}` });
  assert.deepEqual(global.vips[0].election.vrrp, { virtualRouterId: 51, advertInterval: '100ms' });

  const rounded = vrrpOf('advert_int 1.6');
  assert.equal(rounded.vrrp.advertInterval, '2s');
  assert.match(rounded.remarks, /conf:2: advert_int 1\.6: VRRPv2 cannot say it: keepalived rounds it to 2s/);
  assert.equal(vrrpOf('version 3\nadvert_int 0.014').vrrp.advertInterval, '10ms');
  assert.match(vrrpOf('version 3\nadvert_int 41').remarks, /advert_int 41: not carried over: .* up to 40\.95/);
});

test('without a priority it is 100, and 255 with state MASTER', () => {
  assert.equal(vrrpOf('state BACKUP').vrrp.priority, undefined, '100 is the default of vipd');
  const master = vrrpOf('state MASTER');
  assert.equal(master.vrrp.priority, 255);
  assert.match(master.remarks, /^keepalived\.conf:2: state MASTER: not carried over: .*priority alone decides/);
  assert.equal(vrrpOf('state MASTER\npriority 101').vrrp.priority, 101);
});

test('what keepalived ignores is not carried over, and said so', () => {
  assert.match(vrrpOf('state MASTER\nnopreempt').remarks, /nopreempt: not carried over: keepalived itself ignores it/);
  assert.match(vrrpOf('priority 255\nnopreempt').remarks, /nopreempt: not carried over/);
  assert.match(vrrpOf('nopreempt\npreempt_delay 30').remarks, /preempt_delay 30: not carried over/);
  assert.equal(vrrpOf('preempt_delay 30').vrrp.preemptDelay, '30s');
  assert.equal(vrrpOf('preempt_delay 0.5').vrrp.preemptDelay, '500ms');
});

test('a password is cut to the 8 bytes that are sent, and never printed among the remarks', () => {
  const pass = (password: string) => `authentication {\nauth_type PASS\nauth_pass ${password}\n}`;
  const long = vrrpOf(pass('openshift_api_vip'));
  assert.equal(long.vrrp.authPass, 'openshif');
  assert.match(long.remarks, /conf:4: auth_pass: only its first 8 bytes count/);
  assert.equal(vrrpOf(pass('"äöüäöü"')).vrrp.authPass, 'äöüä');
  const version3 = vrrpOf(`version 3\n${pass('hidden')}`);
  assert.equal(version3.vrrp.authPass, undefined);
  assert.match(version3.remarks, /auth_pass: not carried over: VRRPv3 has no authentication/);
  assert.match(vrrpOf('authentication {\nauth_type AH\nauth_pass hidden\n}').remarks, /AH: not carried over/);
  for (const { remarks } of [long, version3]) assert.doesNotMatch(remarks, /hidden|openshift/);
});

test('addresses keep their prefix; what else is said of them is named', () => {
  const { vip, remarks } = vrrpOf(
    'interface eth0',
    '192.168.1.100/24 brd 192.168.1.255 dev eth0 scope global label eth0:1',
  );
  assert.deepEqual(vip.addresses, ['192.168.1.100/24']);
  assert.equal(vip.interface, 'eth0');
  for (const words of ['brd 192.168.1.255', 'scope global', 'label eth0:1'])
    assert.match(remarks, new RegExp(`conf:5: ${words}: not carried over`));
  assert.equal(vrrpOf('', '192.168.1.100 dev eth1').vip.interface, 'eth1');
  assert.match(vrrpOf('interface eth0', '192.168.1.100 dev eth1').remarks, /dev eth1: not carried over/);
  const late = imported({
    keepalived:
      'vrrp_instance V {\nvirtual_router_id 51\nvirtual_ipaddress {\n192.168.1.100 dev eth1\n}\ninterface eth0\n}\n',
  });
  assert.equal(late.vips[0].interface, 'eth0');
  assert.match(late.remarks.join(), /conf:4: dev eth1: not carried over/);
  const mixed = vrrpOf('', '192.168.1.100\n2001:db8::100');
  assert.deepEqual(mixed.vip.addresses, ['192.168.1.100']);
  assert.match(
    mixed.remarks,
    /conf:6: 2001:db8::100: not carried over: keepalived itself ignores addresses of another family/,
  );
  assert.match(vrrpOf('', 'nonsense').remarks, /nonsense: not carried over: it is not an address/);
  assert.match(vrrpOf('', '127.0.0.1').remarks, /addresses: not carried over: .*loopback/);
});

test('several instances are several VIPs with names of their own', () => {
  const { vips } = imported({
    keepalived: instance('', 'VI_1') + instance('', 'VI-1', '192.168.1.101') + instance('', '', '192.168.1.102'),
  });
  assert.deepEqual(
    vips.map(({ name, addresses }) => [name, addresses]),
    [
      ['vi-1', ['192.168.1.100']],
      ['vi-1-2', ['192.168.1.101']],
      ['vip', ['192.168.1.102']],
    ],
  );
  const twice = imported({ keepalived: instance('') + instance('', 'VI_1', '192.168.1.101') });
  assert.equal(twice.vips.length, 1);
  assert.match(twice.remarks.join('\n'), /conf:8: vrrp_instance VI_1: not carried over: line 1 has the same name/);
});

test('a group of an IPv4 and an IPv6 instance becomes one VIP if nothing else differs', () => {
  const both = (lines: string) =>
    `vrrp_sync_group G {\ngroup {\nV4\nV6\n}\n}\n${instance('version 3\ninterface eth0', 'V4')}${instance(lines, 'V6', '2001:db8::100')}`;
  const same = imported({ keepalived: both('interface eth0') });
  assert.deepEqual(same.remarks, []);
  assert.deepEqual(
    same.vips.map(({ addresses }) => addresses),
    [['192.168.1.100', '2001:db8::100']],
  );
  const other = imported({ keepalived: both('interface eth0\npriority 50') });
  assert.equal(other.vips.length, 2);
  assert.match(other.remarks[0] ?? '', /conf:1: vrrp_sync_group G: not carried over: .*election\.vrrp\.priority/);
  const lone = imported({ keepalived: `vrrp_sync_group G {\ngroup {\nV4\nV5\n}\n}\n${instance('', 'V4')}` });
  assert.match(lone.remarks.join('\n'), /V5: not carried over: no vrrp_instance has this name/);
});

test('definitions are followed; what nothing defines is named', () => {
  const defined = imported({
    keepalived: `$IF=eth0\n$ADDR=192.168.1.100 dev $IF\n${instance('interface $IF', 'V', unfilled('ADDR'))}`,
  });
  assert.deepEqual(defined.vips[0].addresses, ['192.168.1.100']);
  assert.equal(defined.vips[0].interface, 'eth0');
  const inQuotes = imported({ keepalived: `$TO=now master\n${instance('notify_master "/bin/tell $TO $(date)"')}` });
  assert.equal(inQuotes.vips[0].election.vrrp.notify.master, '/bin/tell now master $(date)');
  const guide = vrrpOf(`state ${unfilled('STATE')}\ninterface ${unfilled('INTERFACE')}`, unfilled('APISERVER_VIP'));
  assert.match(guide.remarks, /conf:3: interface \$\{INTERFACE\}: not carried over: \$\{INTERFACE\} is not filled in/);
  assert.match(
    guide.remarks,
    /conf:1: vrrp_instance VI_1: it has no address that can be carried over; write addresses/,
  );
});

test('a virtual_server is balanced: scheduler, weights, checks by TCP', () => {
  const servers = (algorithm: string) => `
virtual_server 192.168.1.100 443 {
  delay_loop 6
  lb_algo ${algorithm}
  lb_kind DR
  protocol TCP
  real_server 10.0.0.2 443 {
    weight 3
    TCP_CHECK {
      connect_timeout 4
      retry 2
    }
  }
  real_server 10.0.0.3 8443 { weight 1
  }
  real_server 10.0.0.4 443 { weight 0
  }
  real_server 10.0.0.5 443 {
    SSL_GET { url { path /
    } }
  }
}
virtual_server group web { protocol TCP
}
virtual_server 192.168.1.100 53 { protocol UDP
}
`;
  const { vips, remarks } = imported({ keepalived: `${instance('interface eth0')}${servers('wlc')}` });
  const at = (line: number) => instance('interface eth0').split('\n').length - 1 + line;
  assert.deepEqual(vips[0].loadBalancer, {
    ports: [443],
    scheduler: 'leastconn',
    backends: {
      from: 'static',
      servers: [
        { name: '10.0.0.2', address: '10.0.0.2:443', weight: 3 },
        { name: '10.0.0.3', address: '10.0.0.3:8443' },
        { name: '10.0.0.5', address: '10.0.0.5:443' },
      ],
    },
    healthCheck: { interval: '6s', timeout: '4s' },
  });
  const named = [
    [5, 'lb_kind DR'],
    [11, 'retry 2'],
    [16, 'real_server 10.0.0.4 443'],
    [19, 'SSL_GET'],
    [23, 'virtual_server group web'],
    [25, 'virtual_server 192.168.1.100 53'],
  ] as const;
  const notCarried = remarks.filter((remark) => remark.includes('not carried over'));
  assert.deepEqual(
    notCarried
      .map((remark) => remark.split(': not carried over: ')[0])
      .filter((words) => !words?.includes('interface')),
    named.map(([line, words]) => `keepalived.conf:${at(line)}: ${words}`),
  );
  assert.match(
    notCarried.join('\n'),
    /10\.0\.0\.4 443: not carried over: its weight is 0, so that it is to be drained/,
  );
  const plain = imported({ keepalived: `${instance('interface eth0')}${servers('rr')}` });
  assert.equal(plain.vips[0].loadBalancer.backends.servers[0].weight, undefined);
  assert.match(plain.remarks.join('\n'), /: weight 3: not carried over: its scheduler gives all the same share/);
});

test('whatever has no counterpart is named with its line', () => {
  const text = `
include /etc/keepalived/conf.d/*.conf
global_defs {
  vrrp_strict
  enable_script_security
}
vrrp_script chk_haproxy {
  script "killall -0 haproxy" # cheaper than pidof
  init_fail
}
virtual_server 10.0.0.1 443 {
  real_server 10.0.0.2 443 { weight 1
  }
}
${instance(`track_script {
  chk_haproxy
}
use_vmac vrrp.51
notify_master "/etc/keepalived/notify.sh master" root
mcast_src_ip 192.168.1.11
@main priority 101
virtual_ipaddress_excluded {
  2001:db8::100
}
frobnicate 7`)}`;
  const { remarks } = imported({ keepalived: text });
  const expected: readonly [number, string][] = [
    [2, 'include /etc/keepalived/conf.d/*.conf'],
    [4, 'vrrp_strict'],
    [5, 'enable_script_security'],
    [
      8,
      'script killall -0 haproxy: "pgrep -x haproxy" is written instead: signal 0 to a process of another user needs rights that vipd has not',
    ],
    [9, 'init_fail'],
    [11, 'virtual_server 10.0.0.1 443'],
    [19, 'use_vmac vrrp.51'],
    [20, 'root'],
    [21, 'mcast_src_ip 192.168.1.11'],
    [22, '@main priority 101'],
    [23, 'virtual_ipaddress_excluded'],
    [26, 'frobnicate 7'],
  ];
  assert.deepEqual(
    remarks.map((remark) => remark.split(': not carried over: ')[0]),
    expected.map(([line, words]) => `keepalived.conf:${line}: ${words}`),
  );
});

test('numbers and words that cannot be are named, not carried over', () => {
  for (const line of [
    'virtual_router_id 0',
    'priority 300',
    'advert_int -1',
    'advert_int 0',
    'version 4',
    'unicast_src_ip cp1',
    'interface',
    'garp_master_repeat x',
    'interface far-too-long-a-name',
  ])
    assert.match(vrrpOf(line).remarks, /: not carried over: /, line);
  const noId = imported({ keepalived: 'vrrp_instance V { virtual_ipaddress { 192.168.1.100 } }' });
  assert.deepEqual(noId.remarks, [
    'keepalived.conf:1: vrrp_instance V: it has no virtual_router_id; write election.vrrp.virtualRouterId',
  ]);
});

test('braces and quotes that do not match are refused with their line', () => {
  assert.deepEqual(problemsOf({ keepalived: 'vrrp_instance V {\n' }), [
    'keepalived.conf:1: "vrrp_instance {" is never closed; write the missing }',
  ]);
  assert.deepEqual(problemsOf({ keepalived: 'a\n}\n' }), ['keepalived.conf:2: } closes nothing; remove it']);
  assert.deepEqual(problemsOf({ keepalived: '\n{\n}' }), [
    'keepalived.conf:2: { follows no word; remove it, or write what it opens before it',
  ]);
  assert.match(problemsOf({ keepalived: 'a "b\nc"' })[0] ?? '', /^keepalived\.conf:1: the quote " is never closed/);
});

const rights = 'it runs with the rights of vipd: under manifests/vipd.service a user with three capabilities';

const tracking = `vrrp_script chk_haproxy {
  script "/usr/bin/killall -0 haproxy"
  interval 2
  weight -4 reverse
  fall 10
  rise 2
  user root
}
vrrp_script gateway {
  script "/usr/bin/ping -c 1 -w 1 192.168.1.1"
  timeout 1.5
}
vrrp_script unused {
  script /bin/true
}
${instance(`track_script {
  chk_haproxy weight 7
  gateway
  missing
}
track_interface {
  eth1
  eth2 weight -10
  eth3 weight 300
}
notify_master "/etc/keepalived/notify.sh 'now master'"
notify /etc/keepalived/notify.sh`)}`;

test('what keepalived tracks and tells, vipd tracks and tells', () => {
  const { vips, remarks } = imported({ keepalived: tracking });
  const { track, notify } = vips[0].election.vrrp;
  assert.deepEqual(track.scripts, [
    {
      name: 'chk-haproxy',
      command: 'pgrep -x haproxy',
      interval: '2s',
      weight: 7,
      reverse: true,
      fall: 10,
      rise: 2,
    },
    { name: 'gateway', command: '/usr/bin/ping -c 1 -w 1 192.168.1.1', timeout: '1500ms' },
  ]);
  assert.deepEqual(track.interfaces, [{ name: 'eth1' }, { name: 'eth2', weight: -10 }]);
  assert.deepEqual(notify, { master: "/etc/keepalived/notify.sh 'now master'", all: '/etc/keepalived/notify.sh' });
  assert.deepEqual(
    remarks.map((remark) => remark.replace(/^keepalived\.conf:/, '')),
    [
      '2: script /usr/bin/killall -0 haproxy: "pgrep -x haproxy" is written instead: signal 0 to a process of another user needs rights that vipd has not',
      '7: user root: not carried over: scripts run with the rights of vipd',
      `10: script /usr/bin/ping -c 1 -w 1 192.168.1.1: ${rights}`,
      '13: vrrp_script unused: not carried over: no vrrp_instance has it in track_script',
      '20: missing: not carried over: no vrrp_script has this name',
      '25: eth3 weight 300: not carried over: after the name comes `weight` and a whole number from -253 to 253',
      `27: notify_master /etc/keepalived/notify.sh 'now master': ${rights}`,
      `28: notify /etc/keepalived/notify.sh: ${rights}`,
    ],
  );
});

test('a script that watches the balancer is not needed when vipd is the balancer', () => {
  const haproxy = 'listen api\n  bind :6443\n  server cp1 192.168.1.101:6443\n';
  const { vips, remarks } = imported({ keepalived: tracking, haproxy });
  const names = vips[0].election.vrrp.track.scripts.map(({ name }: { name: string }) => name);
  assert.deepEqual(names, ['gateway']);
  assert.ok(remarks.some((r) => /conf:1: vrrp_script chk-haproxy: not carried over: vipd balances itself/.test(r)));
});

/** The command that a script becomes, and what is said of it, after the line and the command. */
function commandOf(script: string, user = '', globals = '') {
  const block = `vrrp_script s {\nscript "${script}"\n${user}\n}\n`;
  const { vips, remarks } = imported({ keepalived: `${globals}\n${block}${instance('track_script { s\n}')}` });
  const said = remarks.filter((remark) => remark.includes(': script ')).map((remark) => remark.split(': ').at(-1));
  return { command: vips[0].election.vrrp.track.scripts[0].command, said: said.join(' AND '), remarks };
}

test('who looks for a process by signal 0 looks for it by pgrep, which needs no rights', () => {
  for (const [script, command] of [
    ['killall -0 haproxy', 'pgrep -x haproxy'],
    ['/usr/bin/killall -q -0 /usr/sbin/haproxy', 'pgrep -x haproxy'],
    ['/bin/pkill -0 -x nginx', 'pgrep -x nginx'],
    ['killall -0 kube-controller-manager', 'pgrep -x kube-controller'],
  ] as const) {
    const { command: imported, said } = commandOf(script);
    assert.equal(imported, command);
    assert.match(said, /needs rights that vipd has not$/);
  }
});

test('what needs rights, or had those of root, is named', () => {
  const three = 'under manifests/vipd.service a user with three capabilities';
  for (const script of ['killall -HUP haproxy', 'killall -0 a b', 'kill -0 1', 'pidof haproxy']) {
    for (const user of ['', 'user root']) assert.equal(commandOf(script, user).said, three, script);
    assert.equal(commandOf(script).command, script);
  }
  assert.equal(commandOf('/bin/check').said, three);
  assert.equal(commandOf('/bin/check', 'user nobody').said, '');
  assert.equal(commandOf('/bin/check', '', 'global_defs { script_user nobody\n}').said, '');
});

test('a command that is for a shell is named', () => {
  const shell = /write \[\/bin\/sh, -c, …\]$/;
  for (const script of [
    'pgrep haproxy || exit 1',
    'test -e /a && exit 1',
    'pgrep haproxy >/dev/null',
    'a | b',
    'a; b',
    'kill -0 `cat /run/x`',
    'kill -0 $(pidof haproxy)',
    String.raw`test \"$(cat /run/x)\"`,
  ])
    assert.match(commandOf(script, 'user nobody').said, shell, script);
  for (const script of [
    "/bin/sh -c 'a || b'",
    String.raw`bash -ec \"a; $(b)\"`,
    'curl http://a/?b=1&c=2',
    "grep 'a|b' /c",
  ])
    assert.doesNotMatch(commandOf(script, 'user nobody').said, shell, script);
  const { remarks } = imported({ keepalived: instance('notify_master "echo master > /run/x"') });
  assert.match(remarks.join('\n'), shell);
});

/** Whether `config check` takes the file that comes out. */
async function isTaken(keepalived: string): Promise<void> {
  await withFile(imported({ keepalived }).yaml, async (config) => {
    const loaded = await loadSettings({ flags: { config }, environment: {}, hostname: 'lb1' });
    assert.ok(loaded.ok, loaded.ok ? '' : loaded.problems.join('\n'));
  });
}

test('what is tracked twice is tracked once, and names that become one stay two', async () => {
  const scripts = ['chk_a', 'chk-a'].map((name) => `vrrp_script ${name} {\nscript /bin/true nobody\n}\n`).join('');
  const keepalived = `${scripts}${instance(
    'interface eth0\ntrack_script {\nchk_a\nchk_a weight 5\nchk-a\n}\ntrack_interface {\neth1\neth1 weight -5\n}',
  )}`;
  const { vips, remarks } = imported({ keepalived });
  const { track } = vips[0].election.vrrp;
  assert.deepEqual(
    track.scripts.map(({ name, weight }: { name: string; weight?: number }) => [name, weight]),
    [
      ['chk-a', undefined],
      ['chk-a-2', undefined],
    ],
  );
  assert.deepEqual(track.interfaces, [{ name: 'eth1' }]);
  const twice = 'not carried over: keepalived itself ignores the second of a name';
  assert.ok(remarks.includes(`keepalived.conf:11: chk_a weight 5: ${twice}`), remarks.join('\n'));
  assert.ok(remarks.includes(`keepalived.conf:16: eth1 weight -5: ${twice}`));
  await isTaken(keepalived);
});

test('an IPv4 and an IPv6 instance of one number are two VIPs that config check takes', async () => {
  await isTaken(instance('interface eth0', 'V4') + instance('interface eth0', 'V6', '2001:db8::100'));
});

test('a script that vipd replaces leaves its weight behind where that is more than 60', () => {
  const haproxy = 'listen api\n  bind :6443\n  server cp1 192.168.1.101:6443\n';
  const withWeights = (a: number, b: number) => {
    const script = (name: string, weight: number) =>
      `vrrp_script ${name} {\nscript "pgrep haproxy"\nweight ${weight}\n}\n`;
    const keepalived = script('a', a) + script('b', b) + instance('track_script {\na\nb\n}');
    return imported({ keepalived, haproxy });
  };
  const { yaml, vips } = withWeights(-70, 100);
  assert.equal(vips[0].election.vrrp.trackWeight, 100);
  assert.match(yaml, /trackWeight: 100 # keepalived\.conf:5\n/);
  assert.equal(withWeights(-60, 2).vips[0].election.vrrp.trackWeight, undefined);
});

test('what the instances of a group track is compared: nothing of it is lost without a word', () => {
  const script = 'vrrp_script s {\nscript /bin/true nobody\n}\n';
  const group = (four: string, six: string) => {
    const both = instance(`version 3\n${four}`, 'V4') + instance(`version 3\n${six}`, 'V6', '2001:db8::100');
    return imported({ keepalived: `vrrp_sync_group G {\ngroup {\nV4\nV6\n}\n}\n${script}${both}` });
  };
  const tracks = (name: string, weight = '') => `track_${name} ${weight}\n}`;
  const scriptBy = (weight: string) => tracks('script {\ns', weight);
  const interfaceBy = (weight: string) => tracks('interface {\neth1', weight);

  assert.equal(group(interfaceBy('weight 0'), interfaceBy('')).vips.length, 1);
  const same = group(scriptBy('weight -5'), scriptBy('weight -5'));
  assert.equal(same.vips.length, 1);
  assert.equal(same.vips[0].election.vrrp.track.scripts.length, 1);
  assert.doesNotMatch(same.remarks.join('\n'), /group/);

  for (const [by, what] of [
    [scriptBy, 'track_script s'],
    [interfaceBy, 'track_interface eth1'],
  ] as const) {
    const other = group(by('weight -5'), by('weight -6'));
    assert.equal(other.vips.length, 2);
    assert.ok(
      other.remarks.some((r) =>
        r.startsWith(`keepalived.conf:1: vrrp_sync_group G: not carried over: its instances differ in ${what}, so`),
      ),
      other.remarks.join('\n'),
    );
    const some = group('', by(''));
    assert.equal(some.vips.length, 1);
    assert.match(
      some.remarks.join('\n'),
      new RegExp(
        `conf:\\d+: ${what.replace('track_script', 'vrrp_script')}: not every instance of the group G tracks it; their one VIP does`,
      ),
    );
  }
});
