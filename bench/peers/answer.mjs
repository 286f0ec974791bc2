// How a peer in JavaScript times a request: { case, threads, seconds } gives { seconds, cpu } per run of several batches.

let known = '';
let prepared = null;

async function timed({ case: wanted, threads, seconds }, prepare) {
  const key = JSON.stringify([wanted, threads]);
  if (key !== known) {
    await prepared?.close?.();
    known = '';
    prepared = await prepare(wanted, threads);
    known = key;
  }
  const { run } = prepared;
  for (let i = 0; i < 3; i++) await run();
  const before = performance.now();
  await run();
  const runs = Math.max(1, Math.floor(20 / Math.max(performance.now() - before, 1e-4)));
  const times = { seconds: [], cpu: [] };
  const stop = performance.now() + 1e3 * seconds;
  while (times.seconds.length === 0 || performance.now() < stop) {
    const cpu = process.cpuUsage();
    const start = performance.now();
    for (let i = 0; i < runs; i++) await run();
    times.seconds.push((performance.now() - start) / 1e3 / runs);
    const { user, system } = process.cpuUsage(cpu);
    times.cpu.push((user + system) / 1e6 / runs);
  }
  return times;
}

/** Answers one request on stdout; an error is told to the other side, which leaves the peer out in words. */
export async function answer(line, prepare) {
  let result;
  try {
    result = await timed(JSON.parse(line), prepare);
  } catch (error) {
    result = { error: String(error) };
  }
  process.stdout.write(`${JSON.stringify(result)}\n`);
}
