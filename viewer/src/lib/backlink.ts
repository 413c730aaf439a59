/** What Falcosidekick-UI's choice of times offers, in seconds. */
const SINCE: readonly [string, number][] = [
  ['24h', 86_400], ['48h', 172_800], ['1w', 604_800], ['2w', 1_209_600], ['1M', 2_592_000], ['3M', 7_776_000], ['6M', 15_552_000], ['1y', 31_536_000],
];

/**
 * Address of the events of a graph in Falcosidekick-UI. The template has `{graph}` for the id and may have `{since}`
 * for how far back to look; `null` when there is no template, or it is no web address.
 */
export function eventsUrl(template: string | null, graph: string, first: bigint, now: bigint): string | null {
  if (template === null || !/^https?:\/\//.test(template) || !/^[0-9a-f]{32}$/.test(graph)) return null;
  const age = Number((now - first) / 1_000_000_000n);
  const since = SINCE.find(([, seconds]) => age < seconds)?.[0] ?? '2y';
  return template.replaceAll('{graph}', graph).replaceAll('{since}', since);
}
