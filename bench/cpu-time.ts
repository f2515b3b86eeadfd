/** CPU time of the processes that take part in a measurement. */
import type { TestRedis } from "../test/support/redis.js";
import type { HelperProcess } from "./helper-process.js";

/** The CPU time that a process has spent so far, in microseconds. */
export type CpuClock = () => number | Promise<number>;

/** The clock of this process. */
export const ownCpu: CpuClock = () => {
  const { user, system } = process.cpuUsage();
  return user + system;
};

/** The clock of a server. */
export function redisCpu(redis: TestRedis): CpuClock {
  return async () => {
    const info = await redis.cli("INFO", "cpu");
    const seconds = (name: string): number => Number(new RegExp(`^${name}:([\\d.]+)`, "m").exec(info)?.[1]);
    return (seconds("used_cpu_user") + seconds("used_cpu_sys")) * 1e6;
  };
}

/** The clock of a helper, which answers "cpu" with its `ownCpu()`. */
export function helperCpu(helper: HelperProcess): CpuClock {
  return () => helper.ask<number>("cpu");
}

/** Reads clocks; the returned function reads them again and resolves to what has passed on each. */
export async function startCpu<Name extends string>(
  clocks: Record<Name, CpuClock>,
): Promise<() => Promise<Record<Name, number>>> {
  const read = async (): Promise<[string, number][]> =>
    Promise.all(Object.entries<CpuClock>(clocks).map(async ([name, clock]) => [name, await clock()]));
  const before = Object.fromEntries(await read());
  return async () =>
    Object.fromEntries((await read()).map(([name, micros]) => [name, micros - (before[name] ?? 0)])) as Record<
      Name,
      number
    >;
}

/** Every figure divided by `count`. */
export function perUnit<Name extends string>(micros: Record<Name, number>, count: number): Record<Name, number> {
  return Object.fromEntries(Object.entries<number>(micros).map(([name, total]) => [name, total / count])) as Record<
    Name,
    number
  >;
}
