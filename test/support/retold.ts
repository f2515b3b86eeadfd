import type { LogPoller } from "../../src/client/index.js";

const LINE = /^line (\d+)$/;

/**
 * What a poller is told from now on, in order and in few words, for lines that say `line N`: `lines 3-9` for those in
 * a row whose index is their number, `lines 3-9 at 13` for those that begin at index 13; then gaps and resets as JSON,
 * `completed at 20`, and the code of a fatal error.
 */
export function retold(poller: LogPoller): string[] {
  const told: string[] = [];
  let row: { number: number; index: number; count: number } | null = null;
  const tell = (text: string): void => {
    row = null;
    told.push(text);
  };
  poller.onLog(({ index, message }) => {
    const number = Number(LINE.exec(message)?.[1] ?? Number.NaN);
    if (Number.isNaN(number)) {
      tell(`${index} is "${message}"`);
      return;
    }
    if (row !== null && index === row.index + row.count && number === row.number + row.count) {
      row.count += 1;
      told.pop();
    } else row = { number, index, count: 1 };
    const place = row.index === row.number ? "" : ` at ${row.index}`;
    told.push(`lines ${row.number}-${row.number + row.count - 1}${place}`);
  });
  poller.onGap((gap) => tell(`gap ${JSON.stringify(gap)}`));
  poller.onReset((reset) => tell(`reset ${JSON.stringify(reset)}`));
  poller.onComplete(({ status, expected_log_count }) => tell(`${status} at ${expected_log_count}`));
  poller.onError(({ code, fatal }) => {
    if (fatal) tell(code);
  });
  return told;
}
