import { Agent, request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http';
import { fail, send } from './answer.js';
import { type Listener, type ListenOptions, listen } from './listener.js';

export interface ApiFrontOptions {
  /** The node that it stands for; every answer says it in the header `x-served-by`. */
  readonly name: string;
  readonly listen: ListenOptions;
  /** Where the store is served over plain HTTP. */
  readonly store: { readonly host: string; readonly port: number };
}

/**
 * One node's API server: takes requests over TLS and passes them on to the store that all nodes share, as kube-apiserver does with
 * etcd. Without the store it answers 503.
 */
export async function runApiFront(options: ApiFrontOptions): Promise<Listener> {
  const agent = new Agent({ keepAlive: true });
  const listener = await listen(options.listen, (request, response) => pass(request, response, options, agent));
  return {
    port: listener.port,
    async [Symbol.asyncDispose]() {
      await listener[Symbol.asyncDispose]();
      agent.destroy();
    },
  };
}

function pass(
  request: IncomingMessage,
  response: ServerResponse,
  { name, store }: ApiFrontOptions,
  agent: Agent,
): void {
  response.setHeader('x-served-by', name);
  const { method = 'GET', url = '/', headers } = request;
  const upstream = httpRequest({ ...store, agent, method, path: url, headers });
  upstream.on('response', (answer) => {
    response.writeHead(answer.statusCode ?? 502, answer.headers);
    response.flushHeaders();
    answer.pipe(response);
    // A watch that breaks behind breaks in front too, instead of ending in good order.
    answer.on('error', () => response.destroy());
  });
  upstream.on('error', (error) => {
    if (response.headersSent) response.destroy();
    else send(response, fail(503, `the store cannot be reached: ${error.message}`));
  });
  response.on('close', () => upstream.destroy());
  request.pipe(upstream);
}
