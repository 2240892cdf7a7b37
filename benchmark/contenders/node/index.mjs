// The authorizer's job on Node.js: the client certificate of a REST event against a policy of
// exact names, an IAM policy with the certificate's facts, one log line a decision. What does not
// change between calls is done once, at start, as it is in the contender it is compared with.

import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';

const CLIENT_AUTH = '1.3.6.1.5.5.7.3.2';
const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'];
const CURVES = ['prime256v1', 'secp384r1', 'secp521r1'];

const policy = JSON.parse(readFileSync(process.env.POLICY, 'utf8'));
const clients = new Map();
for (const client of policy.clients) {
  if (!clients.has(client.subject_dn)) clients.set(client.subject_dn, client);
}

// Node gives one RDN a line, in certificate order, with its own escapes; the policy has RFC 4514's
// order. Names that need escaping are not in this policy.
const rfc4514 = (name) => name.split('\n').reverse().join(',');

function judge(certificate, now) {
  if (now < Date.parse(certificate.validFrom)) return 'certificate-not-yet-valid';
  if (now > Date.parse(certificate.validTo)) return 'certificate-expired';
  if (certificate.ca) return 'certificate-is-ca';
  if (certificate.keyUsage && !certificate.keyUsage.includes(CLIENT_AUTH)) {
    return 'extended-key-usage';
  }
  const key = certificate.publicKey;
  const { modulusLength, namedCurve } = key.asymmetricKeyDetails ?? {};
  const strong =
    (key.asymmetricKeyType === 'rsa' && modulusLength >= 2048) ||
    (key.asymmetricKeyType === 'ec' && CURVES.includes(namedCurve)) ||
    key.asymmetricKeyType === 'ed25519';
  return strong ? undefined : 'weak-key';
}

function statement(effect, resource) {
  return { Action: 'execute-api:Invoke', Effect: effect, Resource: resource };
}

function resources(api, routes) {
  return routes.flatMap((route) => {
    const [method, path] = route.split(' ');
    return (method === '*' ? METHODS : [method]).map((name) => `${api}/${name}${path}`);
  });
}

const escape = (text) => text.replace(/[.+^${}()|[\]\\]/g, '\\$&');

function admits(allowed, arn) {
  return allowed.some((pattern) => {
    const expression = escape(pattern).replaceAll('*', '.*').replaceAll('?', '.');
    return new RegExp(`^${expression}$`, 's').test(arn);
  });
}

export const handler = async (event, context) => {
  const started = process.hrtime.bigint();
  const [api, stage] = event.methodArn.split('/');
  const base = `${api}/${stage}`;
  const line = { level: 'INFO', message: 'decision', decision: 'Deny', reason: null };
  let answer;

  const pem = event.requestContext?.identity?.clientCert?.clientCertPem;
  if (!pem) {
    line.reason = 'no-client-certificate';
  } else {
    const certificate = new X509Certificate(pem);
    const subject = rfc4514(certificate.subject);
    const issuer = rfc4514(certificate.issuer);
    const fingerprint = certificate.fingerprint256.replaceAll(':', '').toLowerCase();
    const serial = certificate.serialNumber;
    const client = clients.get(subject);
    Object.assign(line, { client: client?.id, subject, issuer, serial, fingerprint });
    line.reason = judge(certificate, Date.now()) ?? (client ? null : 'no-client-matched');
    if (!line.reason) {
      const allowed = resources(base, client.allow);
      line.reason = admits(allowed, event.methodArn) ? null : 'route-not-allowed';
      if (!line.reason) line.decision = 'Allow';
      answer = {
        principalId: subject,
        policyDocument: { Version: '2012-10-17', Statement: [statement('Allow', allowed)] },
        context: {
          clientId: client.id,
          clientCertSub: subject,
          clientCertSubBase64: Buffer.from(subject, 'utf8').toString('base64'),
          clientCertIssuer: issuer,
          clientCertSerial: serial,
          clientCertFingerprint: fingerprint,
          clientCertNotAfter: new Date(certificate.validTo).toISOString(),
        },
      };
    }
  }
  answer ??= {
    principalId: line.subject ?? 'unidentified',
    policyDocument: { Version: '2012-10-17', Statement: [statement('Deny', `${base}/*`)] },
    context: { denyReason: line.reason },
  };
  Object.assign(line, {
    route: event.methodArn.slice(base.length + 1).replace('/', ' /'),
    source_ip: event.requestContext?.identity?.sourceIp,
    request_id: event.requestContext?.requestId,
    aws_request_id: context.awsRequestId,
    duration_us: Number((process.hrtime.bigint() - started) / 1000n),
  });
  console.log(JSON.stringify(line));
  return answer;
};
