// The retriever as a host calls it, natively.

import assert from 'node:assert/strict';
import test from 'node:test';

import { retriever } from '../plugin.js';
import { Host, MemoryDocument, MemorySink } from '../vendor/hardpoint/testing.js';

test('passages end at blank lines and know where they are', () => {
  const text = 'Ünder one.\n\nTwo 🦀.\n\n\n\nThree is longer than the others are.\n';
  const sink = new MemorySink();
  retriever.ingest(new MemoryDocument(text, 'notes.txt'), sink, '{"passage_characters":20}');
  assert.equal(sink.documentTitle, 'notes.txt');
  const texts = sink.allChunks.map((chunk) => chunk.text);
  assert.deepEqual(texts, ['Ünder one.\n\nTwo 🦀.', 'Three is longer than', ' the others are.']);
  for (const { start, end, text } of sink.allChunks) {
    assert.equal([...sink.allPages[0].text].slice(start, end).join(''), text);
  }
});

test('says why it cannot read', () => {
  const unreadable = new MemoryDocument(Uint8Array.of(0xff, 0xfe));
  const refused = (error) => error.kind === 'invalid-request';
  assert.throws(() => retriever.ingest(unreadable, new MemorySink(), '{}'), refused);
});

test('finds by words', () => {
  const host = new Host({ search: () => [{ chunkId: 'c1', documentId: 'd1', rank: 1, score: 2.5 }] });
  const request = { query: 'two', top: 3, filter: {}, hybrid: true };
  const [hit] = host.use(() => retriever.search(request, '{}'));
  assert.deepEqual([hit.chunkId, hit.fused], ['c1', 2.5]);
});
