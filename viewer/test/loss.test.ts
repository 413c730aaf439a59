import { describe, expect, it } from 'vitest';
import { told } from '../src/lib/loss.ts';

const hole = { from: '1795489180000000000', to: '1795489181500000000', events: 1204, records: 88, cause: 'buffer full' };

describe('a hole in the data', () => {
  it('says when, how much and why', () => {
    expect(told(hole)).toEqual({
      tone: 'warning',
      title: 'Records are missing.',
      text: 'Between 02:59:40.000 and 02:59:41.500 UTC 88 records and 1,204 events were lost: buffer full. What is drawn may have holes.',
    });
  });

  it('names only what was lost', () => {
    expect(told({ ...hole, events: 0 }).text).toContain('UTC 88 records were lost');
    expect(told({ ...hole, records: 0, events: 1, cause: '' }).text).toContain('UTC 1 event was lost. What');
    expect(told({ ...hole, from: '0' }).text).toMatch(/^88 records/);
  });
});

describe('a notice', () => {
  const cause = 'Falco does not deliver read, mkdir; set base_syscalls.custom_set with all: true and repair: true';

  it('is no loss of nothing', () => {
    expect(told({ from: '0', to: '0', events: 0, records: 0, cause })).toEqual({
      tone: 'notice',
      title: 'Not everything can be seen here.',
      text: `The collector on this host says: ${cause}.`,
    });
  });

  it('shows its end, where the setting is named, and nothing that moves text', () => {
    const long = `Falco does not deliver ${'read, '.repeat(150)}; set base_syscalls`;
    expect(told({ ...hole, events: 0, records: 0, cause: long }).text).toContain('set base_syscalls.');
    expect(told({ ...hole, events: 0, records: 0, cause: `\u202e${'A'.repeat(65_536)}` }).text.length).toBeLessThan(1300);
  });
});
