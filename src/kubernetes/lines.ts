/** Splits a stream of bytes into lines, and refuses to hold more than `limit` bytes of an unfinished one. */
export interface LineSplitter {
  /** The lines that this chunk completes, without their newline; `too-long` once a line exceeds the limit. */
  push(chunk: Buffer): readonly string[] | 'too-long';
}

export function createLineSplitter(limit: number): LineSplitter {
  let parts: Buffer[] = [];
  let held = 0;
  return {
    push(chunk) {
      const lines: string[] = [];
      let start = 0;
      for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, start)) {
        if (held + end - start > limit) return 'too-long';
        lines.push(Buffer.concat([...parts, chunk.subarray(start, end)]).toString('utf8'));
        parts = [];
        held = 0;
        start = end + 1;
      }
      if (start < chunk.length) {
        parts.push(chunk.subarray(start));
        held += chunk.length - start;
      }
      return held > limit ? 'too-long' : lines;
    },
  };
}
