import { randomBytes, webcrypto } from 'node:crypto';

/** A certificate and its private key, both PEM. */
export interface Certificate {
  readonly certPem: string;
  readonly keyPem: string;
}

export interface CertificateRequest {
  readonly commonName: string;
  /** For a client: the groups that Kubernetes puts it in. */
  readonly organization?: string;
  /** For a server: the names and addresses that it is called by. */
  readonly dnsNames?: readonly string[];
  readonly ips?: readonly string[];
  /** When it ends; default: a year from when the authority was made. */
  readonly notAfter?: Date;
}

/** A certificate authority that lives as long as this object: its key is written nowhere. */
export interface Authority {
  readonly caPem: string;
  /** A certificate for a server or a client. */
  issue(request: CertificateRequest): Promise<Certificate>;
}

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
const day = 24 * 3_600_000;

/**
 * @param commonName must differ from those of the certificates, which would look self-signed
 * @param wall today; certificates are good from the day before, so that clocks may differ
 */
export async function createAuthority(commonName: string, wall: Date): Promise<Authority> {
  const x509 = await loadX509();
  const validity = { notBefore: new Date(wall.getTime() - day), notAfter: new Date(wall.getTime() + 365 * day) };
  const caKeys = await generateKeys();
  const ca = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: serialNumber(),
    name: [{ CN: [commonName] }],
    keys: caKeys,
    signingAlgorithm: algorithm,
    ...validity,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.digitalSignature, true),
      await x509.SubjectKeyIdentifierExtension.create(caKeys.publicKey),
    ],
  });
  return {
    caPem: pem(ca.toString('pem')),
    async issue({ commonName, organization, dnsNames = [], ips = [], notAfter = validity.notAfter }) {
      const keys = await generateKeys();
      const names = [
        ...dnsNames.map((value) => ({ type: 'dns' as const, value })),
        ...ips.map((value) => ({ type: 'ip' as const, value })),
      ];
      const certificate = await x509.X509CertificateGenerator.create({
        serialNumber: serialNumber(),
        subject: [{ CN: [commonName], ...(organization === undefined ? {} : { O: [organization] }) }],
        issuer: ca.subject,
        publicKey: keys.publicKey,
        signingKey: caKeys.privateKey,
        signingAlgorithm: algorithm,
        ...validity,
        notAfter,
        extensions: [
          new x509.BasicConstraintsExtension(false, undefined, true),
          new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
          new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth, x509.ExtendedKeyUsage.clientAuth]),
          ...(names.length === 0 ? [] : [new x509.SubjectAlternativeNameExtension(names)]),
          await x509.AuthorityKeyIdentifierExtension.create(caKeys.publicKey),
        ],
      });
      const key = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey)).toString('base64');
      const keyPem = `-----BEGIN PRIVATE KEY-----\n${key.replace(/(.{64})/g, '$1\n').trimEnd()}\n-----END PRIVATE KEY-----`;
      return { certPem: pem(certificate.toString('pem')), keyPem: pem(keyPem) };
    },
  };
}

/** Loaded on first use: the daemon never needs it. */
async function loadX509() {
  // Its dependency injection refuses to load without the Reflect metadata proposal, of which it uses these three functions, and
  // only to find constructor parameters that none of its classes has.
  const none = () => undefined;
  for (const name of ['getMetadata', 'getOwnMetadata', 'defineMetadata']) {
    if (!(name in Reflect)) Object.assign(Reflect, { [name]: none });
  }
  return import('./x509.js');
}

async function generateKeys() {
  return webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
}

/** Positive, and 64 random bits in it. */
function serialNumber(): string {
  return `00${randomBytes(9).toString('hex')}`;
}

function pem(text: string): string {
  return `${text.trim()}\n`;
}
