import assert from 'node:assert/strict';
import { chown, copyFile, mkdir, mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, type TestContext, test } from 'node:test';
import { effectiveCapabilities } from '../../src/kernel/linux/capabilities.js';
import { type ClusterNode, vip, vipPort } from '../../src/lab/cluster.js';
import { execute } from '../../src/lab/execute.js';
import { tally } from '../../src/lab/measure.js';
import { millis } from '../../src/time/instant.js';
import type { DaemonStatus } from '../../src/vip/status.js';
import { kubeVipPods } from '../fakes/kube-vip-pods.js';
import { until } from '../netns/poll.js';
import { type PreparedCluster, prepareCluster } from '../netns/with-cluster.js';
import { startAsContainerd } from './containerd-like.js';
import { type Container, createPodman, type Podman, withoutContainers } from './containers.js';
import { imageArchive } from './image-archive.js';

type Environment = Readonly<Record<string, string>>;

const skip = withoutContainers();
const root = join(import.meta.dirname, '../../..');
const { version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'));
const image = `localhost/vipd:${version}`;
const capabilities = ['NET_ADMIN', 'NET_RAW'];
/** The user vipd of the image. */
const user = 65532;

if (skip !== false) {
  test('the container image', { skip }, () => {});
} else {
  describe('the container image', () => {
    let folder = '';
    let archive = '';
    let podman: Podman;
    let cluster: PreparedCluster;
    before(async () => {
      folder = await mkdtemp(join(tmpdir(), 'vipd-'));
      podman = await createPodman(folder);
      archive = await imageArchive();
      await podman.run('load', '--input', archive);
      cluster = await prepareCluster('image', { size: 2 });
    });
    after(async () => {
      await cluster?.[Symbol.asyncDispose]();
      await podman?.[Symbol.asyncDispose]();
      await rm(folder, { recursive: true, force: true });
    });

    test('has Node.js and vipd, and nothing that starts or installs something else', async () => {
      const files = await filesBelow(await podman.mount(image));
      const programs = files.filter(isProgram).map(({ path }) => path);
      assert.deepEqual(programs.sort(), [
        '/usr/bin/node',
        '/usr/bin/nodejs',
        '/usr/bin/vipd',
        '/usr/lib/vipd/dist/vipd.js',
        '/usr/lib/vipd/node',
      ]);
      assert.deepEqual(
        files.filter(({ mode }) => (mode & 0o6000) !== 0),
        [],
      );
      const foreign = files.filter(({ uid, gid }) => uid !== 0 || gid !== 0).map(({ path }) => path);
      assert.deepEqual(foreign, ['/run/vipd']);
      const marked = await execute('getcap', ['-r', await podman.mount(image)]);
      assert.match(marked, /^\S+\/usr\/lib\/vipd\/node cap_net_admin,cap_net_raw=ep\n$/);
      const copyrights = files.filter(({ path }) => /^\/usr\/share\/doc\/[^/]+\/copyright$/.test(path));
      assert.ok(copyrights.length >= 20, `${copyrights.length} copyright files`);
    });

    test('is no larger than docs/image.md says', async (t) => {
      const said = await readFile(join(root, 'docs/image.md'), 'utf8');
      const [, packed, unpacked] = /at most (\d+) MB,\s(\d+) MB unpacked/.exec(said) ?? [];
      const sizes = [
        (await stat(archive)).size,
        Number(await podman.run('image', 'inspect', '--format', '{{.Size}}', image)),
      ];
      t.diagnostic(sizes.map((size) => `${(size / 1e6).toFixed(1)} MB`).join(', '));
      for (const [index, most] of [packed, unpacked].entries())
        assert.ok((sizes[index] as number) <= Number(most) * 1e6, `${sizes[index]} > ${most} MB`);
    });

    test('commands need no right, no network and no writable file', async () => {
      const bare = ['run', '--rm', '--network', 'none', '--cap-drop', 'ALL', '--read-only', '--read-only-tmpfs=false'];
      assert.equal(await podman.run(...bare, image, 'version'), `${version}\n`);
      assert.match(await podman.run(...bare, '--user', 'vipd', image, 'manifest', 'rbac'), /^kind: ClusterRole$/m);
      await assert.rejects(podman.run(...bare, image, 'status'), /\(3\): vipd: vipd is not running/);
      await assert.rejects(podman.run(...bare, image, 'start', '--address', vip), /\(77\): vipd: .*NET_ADMIN/);
    });

    /** What a Pod with readOnlyRootFilesystem and without allowPrivilegeEscalation has. */
    const confined = [
      ...['--read-only', '--read-only-tmpfs=false', '--security-opt', 'no-new-privileges', '--cap-drop', 'ALL'],
      ...capabilities.map((name) => `--cap-add=${name}`),
    ];
    const settings = { VIPD_ADDRESS: vip, VIPD_NODE_NAME: 'cp1', VIPD_HEALTH_CHECK: 'tcp' };
    const adminConf = '/etc/kubernetes/admin.conf';

    /** Starts a container by podman on the network of cp1. */
    function run(name: string, options: readonly string[], environment: Environment, command: string) {
      const variables = Object.entries(environment).map(([variable, value]) => `--env=${variable}=${value}`);
      const places = [
        `--network=ns:/run/netns/${node().host.namespace}`,
        `--volume=${join(folder, `${name}.conf`)}:${adminConf}:ro`,
      ];
      return podman.start(name, ...confined, ...options, ...places, ...variables, image, command);
    }

    test('root, by the environment and the arguments of kube-vip: holds the VIP and gives it up', (t) =>
      holdsAndGivesUp(t, 'root', 0, () => run('root', [], kubeVipPods['v1.2'], 'manager')));

    test('another user, where the runtime makes capabilities ambient: the same', (t) =>
      holdsAndGivesUp(t, 'ambient', user, () => run('ambient', ['--user', 'vipd'], settings, 'start')));

    test('another user in a Pod, by the capabilities of a file: the same', (t) =>
      holdsAndGivesUp(t, 'pod', user, async () => {
        const bundle = join(folder, 'bundle');
        await mkdir(bundle);
        const command = ['/usr/lib/vipd/node', '/usr/lib/vipd/dist/vipd.js', 'start'];
        const environment = { PATH: '/usr/bin', ...settings };
        const mounts = { [adminConf]: join(folder, 'pod.conf') };
        const pod = { image: await podman.mount(image), user, command, environment, capabilities, mounts };
        return startAsContainerd(pod, node().host, bundle);
      }));

    const node = () => cluster.nodes[0] as ClusterNode;

    /** @param name also that of its kubeconfig, which only this user may read */
    async function holdsAndGivesUp(t: TestContext, name: string, uid: number, start: () => Promise<Container>) {
      const kubeconfig = join(folder, `${name}.conf`);
      await copyFile(cluster.api.kubeconfig, kubeconfig);
      await chown(kubeconfig, uid, uid);
      const began = Date.now();
      const container = await start();
      assert.equal(await cluster.holder(10_000), node());
      t.diagnostic(`start to address: ${Date.now() - began} ms`);
      assert.equal(await cluster.administrator.leaseHolder(), 'cp1');

      const status = await readFile(`/proc/${container.pid}/status`, 'utf8');
      assert.match(status, new RegExp(`^Uid:\t${uid}\t${uid}\t${uid}\t${uid}$`, 'm'));
      assert.match(status, /^NoNewPrivs:\t1$/m);
      assert.deepEqual([...effectiveCapabilities(status)].sort(), capabilities);

      const [backends] = await until(
        async () => {
          const { vips }: DaemonStatus = JSON.parse(await container.exec('vipd', 'status', '--json'));
          return vips[0]?.held === true && vips.map(({ loadBalancer }) => loadBalancer.backends);
        },
        { what: 'the VIP held, says vipd status in the container' },
      );
      assert.deepEqual(
        backends?.map(({ name, state }) => `${name} ${state}`),
        ['cp1 up', 'cp2 up'],
      );
      const { clientHost } = cluster;
      await clientHost.run('ip', ['neigh', 'flush', 'dev', 'eth0']);
      const order = {
        ip: vip,
        port: vipPort,
        kind: 'request',
        every: millis(10),
        timeout: millis(5000),
        count: 40,
      } as const;
      const results = await cluster.client.probe(order).ended;
      assert.deepEqual(Object.fromEntries(tally(results)), { cp1: 20, cp2: 20 });
      assert.match(await clientHost.run('ip', ['neigh', 'show', vip]), new RegExp(`lladdr ${node().host.mac} `));
      const metrics = await clientHost.run('curl', ['-s', `http://${node().host.ip}:2112/readyz`]);
      assert.match(metrics, /^ok/);

      const told = Date.now();
      assert.equal(await container.stop(), 0, await container.log());
      t.diagnostic(`stop: ${Date.now() - told} ms`);
      assert.deepEqual(cluster.holders(), []);
      assert.equal(await cluster.administrator.leaseHolder(), '');
      assert.doesNotMatch(await container.log(), /EACCES|EPERM|EROFS/);
    }
  });
}

interface ImageFile {
  readonly path: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** As find says it: `f`, `d`, `l`. */
  readonly type: string;
}

/** Links that lead to a folder are not followed. */
async function filesBelow(folder: string): Promise<readonly ImageFile[]> {
  const found = await execute('find', [folder, '-mindepth', '1', '-printf', '/%P\t0%m\t%U\t%G\t%y\n']);
  return found
    .trim()
    .split('\n')
    .map((line) => line.split('\t'))
    .map(([path = '', mode, uid, gid, type = '']) => ({
      path,
      mode: Number(`0o${mode}`),
      uid: Number(uid),
      gid: Number(gid),
      type,
    }));
}

/** Whether it can be started; libraries have the same bits. */
function isProgram({ path, mode, type }: ImageFile): boolean {
  return (type === 'f' && (mode & 0o111) !== 0 && !/\.so(\.|$)|\.node$/.test(path)) || /^\/usr\/s?bin\//.test(path);
}
