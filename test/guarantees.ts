/**
 * What proves each sentence of the README's "Guarantees and limits": the test that it names, and a change of `src/`
 * under which that test fails. `npm run test:guarantees` makes each change and looks.
 */
import type { Mutation } from "./support/mutant.js";

/** A test that a sentence of the README names, and a mutation that it notices. */
export interface Guarantee {
  /** The test's file. */
  test: string;
  /** The test's title, without those of its groups. */
  title: string;
  mutation: Mutation;
}

/** In the order of the README. */
export const guarantees: readonly Guarantee[] = [
  {
    test: "test/run.test.ts",
    title: "takes a getter that throws, a proxy, and names that are no text",
    mutation: {
      file: "src/handle.ts",
      name: "a getter's error gets out of a log call",
      find: "    } catch {\n      // A getter or a proxy threw",
      replace: "    } catch (error) {\n      throw error;\n      // A getter or a proxy threw",
    },
  },
  {
    test: "test/writer.test.ts",
    title: "sends what was logged in one turn of the event loop as one batch",
    mutation: {
      file: "src/turn-queue.ts",
      name: "each line leaves by itself",
      find: "    this.#scheduled = true;\n    this.#atTurnEnd(this.#turn);",
      replace: "    this.#scheduled = true;\n    this.#turn();",
    },
  },
  {
    test: "test/serialize.test.ts",
    title: "whatever is thrown at it, every line is valid JSON of one line within the cap",
    mutation: {
      file: "src/serialize.ts",
      name: "a long line is stored whole",
      find: "  if (text.length * 3 > maxBytes && Buffer.byteLength(text) > maxBytes) return shortenJson(text, maxBytes);\n",
      replace: "",
    },
  },
  {
    test: "test/writer.test.ts",
    title: "stores every line once and in order when calls fail and answers get lost at random",
    mutation: {
      file: "src/store/memory-run.ts",
      name: "an overlap is stored twice",
      find: "        this.push(lines.slice(producer.have - first), limits);",
      replace: "        this.push(lines, limits);",
    },
  },
  {
    test: "test/faults/outage.test.ts",
    title: "stores a batch once whose answer was swallowed",
    mutation: {
      file: "src/store/scripts/write.ts",
      name: "a batch that comes again is stored again",
      find: "local stored = have < upto and count > 0",
      replace: "have = math.min(have, first)\nlocal stored = count > 0",
    },
  },
  {
    test: "test/faults/outage.test.ts",
    title: "stores a batch once whose answer was swallowed",
    mutation: {
      file: "src/writer.ts",
      name: "a line is forgotten when its call fails",
      find: "        this.#recovering = true;\n        this.#unreachable = true;\n",
      replace:
        "        this.#keep(this.#lines.acknowledge(batch.upto));\n        this.#recovering = true;\n        this.#unreachable = true;\n",
    },
  },
  {
    test: "test/writer.test.ts",
    title: "drops the oldest unsent lines past the cap, counts them exactly, and puts one line in their place",
    mutation: {
      file: "src/writer.ts",
      name: "a dropped line is not counted",
      find: "    this.#droppedUnsent += 1;\n",
      replace: "",
    },
  },
  {
    test: "test/writer.test.ts",
    title: "takes from the run with most waiting lines, so that a loud one does not silence a quiet one",
    mutation: {
      file: "src/backlog.ts",
      name: "any run gives",
      find: "        if (member.unsent > (this.#largest?.unsent ?? 0)) this.#largest = member;",
      replace: "        this.#largest ??= member;",
    },
  },
  {
    test: "test/writer.test.ts",
    title: "hears of an outage once and of its end once, and says in the gap that the store was away",
    mutation: {
      file: "src/writer.ts",
      name: "an outage is called a burst",
      find: 'this.#host.outage.away ? "store_unavailable" : "burst"',
      replace: '"burst"',
    },
  },
  {
    test: "test/livetail.test.ts",
    title: "is not held up by a store that cannot be reached",
    mutation: {
      file: "src/livetail.ts",
      name: "the operation waits for the end to be stored",
      find: "      void run.complete(result);\n      return result;",
      replace: "      await run.complete(result);\n      return result;",
    },
  },
  {
    test: "test/faults/outage.test.ts",
    title: "waits for a store that is away for good no longer than it is told to, and knows exactly what it dropped",
    mutation: {
      file: "src/livetail.ts",
      name: "an end waits for a minute, whatever it is told",
      find: "new Deadlines(options.endTimeoutMs ?? 60_000)",
      replace: "new Deadlines(60_000)",
    },
  },
  {
    test: "test/writer.test.ts",
    title: "sets a refused batch aside, reports it once, and announces what is missing",
    mutation: {
      file: "src/numbered-lines.ts",
      name: "what is set aside is not counted",
      find: "    let missing = upto - first;",
      replace: "    let missing = 1;",
    },
  },
  {
    test: "test/writer.test.ts",
    title: "refuses lines after the end, reports it once, and the store counts them",
    mutation: {
      file: "src/store/memory-run.ts",
      name: "late lines are not counted",
      find: "if (this.foreign === null) this.countLate(",
      replace: "if (false) this.countLate(",
    },
  },
  {
    test: "test/cost.test.ts",
    title: "of a complete call without a cost is an unpriced call, not a call for nothing",
    mutation: {
      file: "src/cost.ts",
      name: "an unknown cost is 0",
      find: "u: isCall && !isPriced ? 1 : 0,",
      replace: "u: 0,",
    },
  },
  {
    test: "test/faults/store-away.test.ts",
    title: "an operation has no promise, no timer and no slow turn because of a store that is killed",
    mutation: {
      file: "src/handle.ts",
      name: "a log call sets a timer",
      find: "  log(value: unknown, metadata?: Record<string, unknown>): void {\n    const { encoder, rules }",
      replace:
        "  log(value: unknown, metadata?: Record<string, unknown>): void {\n    clearTimeout(setTimeout(() => {}, 1000));\n    const { encoder, rules }",
    },
  },
  {
    test: "test/store-memory.test.ts",
    title: "keeps the newest lines when they are too many",
    mutation: {
      file: "src/store/memory-run.ts",
      name: "lines are not counted",
      find: "this.lines.length > maxLines ||",
      replace: "",
    },
  },
  {
    test: "test/store-memory.test.ts",
    title: "keeps an open run for a day after its last write, and reading extends nothing",
    mutation: {
      file: "src/store.ts",
      name: "an open run is kept for an hour",
      find: "openTtlSeconds: 86_400",
      replace: "openTtlSeconds: 3600",
    },
  },
  {
    test: "test/store-memory.test.ts",
    title: "keeps an ended run for six hours and its summary for a day",
    mutation: {
      file: "src/store.ts",
      name: "an ended run is kept for an hour",
      find: "endedTtlSeconds: 21_600",
      replace: "endedTtlSeconds: 3600",
    },
  },
  {
    test: "test/stream.test.ts",
    title: "tells a late viewer the exact gap, and lets it finish",
    mutation: {
      file: "src/run-view.ts",
      name: "a gap is one line short",
      find: "lost: view.first - next, reason",
      replace: "lost: view.first - next - 1, reason",
    },
  },
  {
    test: "test/loss.test.ts",
    title: "creates a run that is gone again, with what the writer still has, and leaves the rest a gap",
    mutation: {
      file: "src/writer.ts",
      name: "a run that was lost begins at 0",
      find: "        base: Math.max(0, this.#told - this.#lines.kept),",
      replace: "        base: 0,",
    },
  },
  {
    test: "test/faults/failback.test.ts",
    title: "begins a new epoch, so that an index of lines that are lost is not given to another line",
    mutation: {
      file: "src/store/scripts/write.ts",
      name: "another server goes unnoticed",
      find: "local moved = server ~= '' and (meta[3] or '') ~= server",
      replace: "local moved = false",
    },
  },
  {
    test: "test/faults/sentinel.test.ts",
    title: "loses, doubles, renumbers nothing when it is killed under load while its replicas lag",
    mutation: {
      file: "src/store/scripts/write.ts",
      name: "no loss begins an epoch",
      find: "if moved or forgotten or (epoch ~= '' and (have < acked or buffer.next < told)) then",
      replace: "if false then",
    },
  },
  {
    test: "test/faults/sentinel.test.ts",
    title: "is stored again on the one that was promoted, with the lines before it",
    mutation: {
      file: "src/run.ts",
      name: "an ended run is forgotten at once",
      find: "const AFTER_END_LEASES = 2;",
      replace: "const AFTER_END_LEASES = 0;",
    },
  },
  {
    test: "test/loss.test.ts",
    title: "goes on when only the lines were evicted: the numbers stay, what is missing is below `first`",
    mutation: {
      file: "src/store/scripts/prelude.ts",
      name: "numbers go back to what is left",
      find: "  local buffer = { next = next, len = length, bytes",
      replace: "  local buffer = { next = next - math.max(0, len - length), len = length, bytes",
    },
  },
  {
    test: "test/faults/evictions.test.ts",
    title: "doubles no line of an epoch when nobody knows any more who has stored what: all is sent again above a gap",
    mutation: {
      file: "src/store/scripts/write.ts",
      name: "what is sent again stands beside what is stored",
      find: "  redis.call('DEL', BUFFER)\n  redis.call('HSET', META, 'base'",
      replace: "  redis.call('HSET', META, 'base'",
    },
  },
  {
    test: "test/faults/redis-users.test.ts",
    title: "need not have INFO: that restarts go unnoticed is said once",
    mutation: {
      file: "src/store/redis.ts",
      name: "it is said at each run",
      find: "    if (serverSeen) return;\n    serverSeen = true;\n",
      replace: "",
    },
  },
  {
    test: "test/faults/outage.test.ts",
    title: "lets lines wait, ends runs and renews leases all the same",
    mutation: {
      file: "src/store/scripts/write.ts",
      name: "an end begins with a write that needs memory",
      find: "if count == 0 or CLOSING then redis.call('EXPIRE', META, open_ttl) end\n",
      replace: "",
    },
  },
  {
    test: "test/store-memory.test.ts",
    title: "stays in its epochs for as long as it lives, and shares none with another store",
    mutation: {
      file: "src/store/memory.ts",
      name: "stores share their runs",
      find: "options.runs ?? new Map()",
      replace: "options.runs ?? ((globalThis as { all?: Map<string, never> }).all ??= new Map())",
    },
  },
  {
    test: "test/poll-state.test.ts",
    title: "waits for the lines that are missing when the status is terminal already",
    mutation: {
      file: "src/client/poll-state.ts",
      name: "a terminal status is the end",
      find: "isTerminal(part.status) && next >= (part.expected_log_count ?? part.total_count ?? 0)",
      replace: "isTerminal(part.status)",
    },
  },
  {
    test: "test/poll-state.test.ts",
    title: "stays exact whatever pages, repeats and stale answers come",
    mutation: {
      file: "src/client/poll-state.ts",
      name: "a line is told again",
      find: 'if (!(entry.index < next) && emit("onLog", entry))',
      replace: 'if (emit("onLog", entry))',
    },
  },
  {
    test: "test/client-sse.test.ts",
    title: "is asked for again by cursor after the delay that the server asked for, when it closes before the end",
    mutation: {
      file: "src/client/sse.ts",
      name: "a stream is asked for again at once",
      find: "if (done) return retryMs * (0.5 + random());",
      replace: "if (done) return 0;",
    },
  },
  {
    test: "test/faults/races.test.ts",
    title: "let every viewer finish with every line once on the embedded store",
    mutation: {
      file: "src/poll.ts",
      name: "a page lacks its first line",
      find: "  return pageBytes(view, entries, to, gap, reset, paceMs);",
      replace: "  return pageBytes(view, entries.slice(1), to, gap, reset, paceMs);",
    },
  },
  {
    test: "test/faults/races.test.ts",
    title: "let every viewer finish with every line once through Redis, also where hints get lost",
    mutation: {
      file: "src/poll.ts",
      name: "a page lacks its first line",
      find: "  return pageBytes(view, entries, to, gap, reset, paceMs);",
      replace: "  return pageBytes(view, entries.slice(1), to, gap, reset, paceMs);",
    },
  },
  {
    test: "test/stream.test.ts",
    title: "come for another epoch and for a position beyond what is stored",
    mutation: {
      file: "src/run-view.ts",
      name: "another epoch goes unnoticed",
      find: '(epoch !== "" && epoch !== view.epoch) || next > view.total',
      replace: "next > view.total",
    },
  },
  {
    test: "test/reader.test.ts",
    title: "never resets because this process is behind: the store is asked first, once for all who disagree",
    mutation: {
      file: "src/poll.ts",
      name: "a reset is decided on what this process knows",
      find: "doubtful: reset !== null || behind",
      replace: "doubtful: behind",
    },
  },
  {
    test: "test/handler.test.ts",
    title: "refuses every malformed parameter by its name",
    mutation: {
      file: "src/query.ts",
      name: "a cursor that is none begins at the beginning",
      find: '  if (cursor === null) throw invalid(name, "is not a cursor of this server");\n',
      replace: "  if (cursor === null) return BEGINNING;\n",
    },
  },
  {
    test: "test/fuzz-requests.test.ts",
    title: "answers fuzzed requests over sockets, none of them by a 5xx, and keeps nothing of them",
    mutation: {
      file: "src/query.ts",
      name: "a parameter that is given twice is a fault",
      find: 'throw invalid(name, "is given more than once")',
      replace: "throw new Error(name)",
    },
  },
  {
    test: "test/redis-connection.test.ts",
    title: "rejects within the time-out while nobody answers",
    mutation: {
      file: "src/store/redis-connection.ts",
      name: "a command waits for ever",
      find: "  });\n  const deadlines = new Deadlines(timeoutMs);",
      replace: "  });\n  const deadlines = new Deadlines(1_000_000);",
    },
  },
  {
    test: "test/stream.test.ts",
    title: "tells that the store is away and back, and the lines go on",
    mutation: {
      file: "src/shared-frames.ts",
      name: "the store is always said to be well",
      find: 'unavailable === null ? "ok" : "unavailable"',
      replace: 'unavailable === null ? "ok" : "ok"',
    },
  },
  {
    test: "test/stream.test.ts",
    title: "is cut off when it takes nothing for thirty seconds",
    mutation: {
      file: "src/stuck-watch.ts",
      name: "nobody is cut off",
      find: "now - this.#since >= STUCK_MS",
      replace: "false",
    },
  },
  {
    test: "test/handler.test.ts",
    title: "of a run, or of all, are refused until one leaves",
    mutation: {
      file: "src/viewers.ts",
      name: "a process takes any number",
      find: "this.#total >= this.#most || ",
      replace: "",
    },
  },
  {
    test: "test/store-memory.test.ts",
    title: "follows such a run as it grows, page by page",
    mutation: {
      file: "src/store/foreign-run.ts",
      name: "the lines are not counted",
      find: "  const next = corrected ? expected : length;",
      replace: "  const next = corrected ? expected : 0;",
    },
  },
  {
    test: "test/reader.test.ts",
    title: "is shown as open for ten seconds when it has ended with fewer lines than announced",
    mutation: {
      file: "src/held-end.ts",
      name: "its end is shown at once",
      find: "const HOLD_MS = 10_000;",
      replace: "const HOLD_MS = 0;",
    },
  },
  {
    test: "test/proxies.test.ts",
    title: "answers keep their heads, and streams arrive live though nginx compresses them",
    mutation: {
      file: "src/routes.ts",
      name: "nginx may keep a stream back",
      find: '  "X-Accel-Buffering": "no",\n',
      replace: "",
    },
  },
  {
    test: "test/clients.test.ts",
    title: "gets history, live lines and the end, comes back once, and stops at the 204",
    mutation: {
      file: "src/routes.ts",
      name: "it comes back for ever",
      find: "  if (sawEnd) return emptyAnswer(204);\n",
      replace: "",
    },
  },
  {
    test: "test/bounded-memory.test.ts",
    title: "that only sips loses its place after a minute, and one that takes a piece a minute does not",
    mutation: {
      file: "src/stuck-watch.ts",
      name: "a sip is enough",
      find: " || now - this.#fullSince >= this.#pieceMs",
      replace: "",
    },
  },
  {
    test: "test/log-poller.test.ts",
    title: "hold two requests at most, while the others poll, and take turns",
    mutation: {
      file: "src/client/request-slots.ts",
      name: "three are held",
      find: "if (count > 1) return;",
      replace: "if (count > 2) return;",
    },
  },
  {
    test: "test/loss.test.ts",
    title: "ends a run whose process vanished, after the lease and four sweeps",
    mutation: {
      file: "src/owner.ts",
      name: "no sweep is the last one",
      find: "const LOST_AFTER_SWEEPS = 4;",
      replace: "const LOST_AFTER_SWEEPS = 40_000;",
    },
  },
  {
    test: "test/faults/outage.test.ts",
    title:
      "of a Redis that is killed for more than a lease loses no live run, counts drops exactly, is told once to writers and viewers, and ends for both",
    mutation: {
      file: "src/owner.ts",
      name: "one sweep is enough",
      find: "const LOST_AFTER_SWEEPS = 4;",
      replace: "const LOST_AFTER_SWEEPS = 1;",
    },
  },
  {
    test: "test/faults/blocked-loop.test.ts",
    title: "for one and a half leases is shown as stalled, then as live, and completes as if nothing had been",
    mutation: {
      file: "src/run-state.ts",
      name: "every owner is live",
      find: 'return run.stalledSweeps > 0 || run.leaseUntil <= nowMs ? "stalled" : "live";',
      replace: 'return "live";',
    },
  },
  {
    test: "test/writer.test.ts",
    title: "stops and aborts the signal when another owner took over",
    mutation: {
      file: "src/store/memory-run.ts",
      name: "an older fence is taken",
      find: "if (fence !== 0 && fence < this.fence)",
      replace: "if (false)",
    },
  },
  {
    test: "test/writer.test.ts",
    title: "stops and aborts the signal when another owner took over",
    mutation: {
      file: "src/writer.ts",
      name: "nobody is told",
      find: "          this.#events.onFenced();\n",
      replace: "",
    },
  },
  {
    test: "test/loss.test.ts",
    title: "routes a cancel to the owner, aborts its signal, and calls the run cancelled when it fails then",
    mutation: {
      file: "src/run.ts",
      name: "a cancelled run fails",
      find: 'readMember(fault, "code");\n    const status = this.cancelled ? "cancelled" : "failed";',
      replace: 'readMember(fault, "code");\n    const status = "failed" as "failed" | "cancelled";',
    },
  },
  {
    test: "test/livetail.test.ts",
    title: "is let go when it was idle for long, and joins again",
    mutation: {
      file: "src/handle.ts",
      name: "it is kept",
      find: "const IDLE_LEASES = 10;",
      replace: "const IDLE_LEASES = 10_000;",
    },
  },
  {
    test: "test/livetail.test.ts",
    title: "keeps a result that is no JSON or too large out of the way and says so in a line",
    mutation: {
      file: "src/run.ts",
      name: "a result of any size is stored",
      find: "if (text.length * 3 <= MAX_RESULT_BYTES || Buffer.byteLength(text) <= MAX_RESULT_BYTES) return text;",
      replace: "return text;",
    },
  },
  {
    test: "test/faults/blocked-loop.test.ts",
    title: "for three leases loses its run as OWNER_LOST, is told so, and its late lines are counted",
    mutation: {
      file: "src/owner.ts",
      name: "no sweep is the last one",
      find: "const LOST_AFTER_SWEEPS = 4;",
      replace: "const LOST_AFTER_SWEEPS = 400;",
    },
  },
  {
    test: "test/faults/silence.test.ts",
    title: "costs a run neither its lease nor its keys, and its viewers nothing but pings and new streams",
    mutation: {
      file: "src/owner.ts",
      name: "no lease is renewed",
      find: "        else void holder.heartbeat();\n",
      replace: "        else void holder;\n",
    },
  },
  {
    test: "test/faults/clock-skew.test.ts",
    title: "have leases, times, fences and times to live by the store's clock, and lines that bear their own",
    mutation: {
      file: "src/store/scripts/claim.ts",
      name: "a fence goes by no clock",
      find: "'fence', owner ~= '' and now or 0",
      replace: "'fence', 1",
    },
  },
  {
    test: "test/authorize.test.ts",
    title: "with every resume of a poll, a held poll and a stream",
    mutation: {
      file: "src/handler.ts",
      name: "a resume is let through",
      find: "    const verdict = access.check(",
      replace: '    const verdict = request.query.includes("cursor") ? null : access.check(',
    },
  },
  {
    test: "test/handler.test.ts",
    title: "refuses when it throws, rejects or answers nonsense, and somebody hears of it",
    mutation: {
      file: "src/access.ts",
      name: "a fault lets everybody in",
      find: '    onError(new LivetailError("FORBIDDEN", "authorize failed, so the request was refused.", { cause }));',
      replace:
        '    onError(new LivetailError("FORBIDDEN", "authorize failed, so the request was refused.", { cause }));\n    return null as never;',
    },
  },
  {
    test: "test/handler.test.ts",
    title: "nobody may list, cancel or delete",
    mutation: {
      file: "src/access.ts",
      name: "everybody may",
      find: 'if (action !== "read") return refuse(',
      replace: 'if (action === "delete") return refuse(',
    },
  },
  {
    test: "test/handler.test.ts",
    title: "only runs whose id nobody can guess may be read",
    mutation: {
      file: "src/access.ts",
      name: "every run may",
      find: "UNGUESSABLE.test(runId)",
      replace: "true",
    },
  },
  {
    test: "test/handler.test.ts",
    title: "sends nothing unless it is set",
    mutation: {
      file: "src/access.ts",
      name: "every origin may read",
      find: "      if (cors === undefined) return answer;",
      replace: '      if (cors === undefined) return withHeaders(answer, { "Access-Control-Allow-Origin": "*" });',
    },
  },
  {
    test: "test/handler.test.ts",
    title: "refuses a page of another site, before anybody is asked",
    mutation: {
      file: "src/access.ts",
      name: "another site may",
      find: 'const changes = action === "cancel" || action === "delete";',
      replace: "const changes = false;",
    },
  },
  {
    test: "test/hostile-text.test.ts",
    title: "is text in the list of runs: subjects, operations and errors",
    mutation: {
      file: "src/html.ts",
      name: "text is markup",
      find: "  return text.replace(/[&<>\"']/g, (character) => ENTITIES[character] as string);",
      replace: "  return text;",
    },
  },
  {
    test: "test/hostile-text.test.ts",
    title: "acts on nothing: not in lines, layers, the summary or JSON, with colours or without",
    mutation: {
      file: "src/cli/harmless.ts",
      name: "everything is let through",
      find: "  if (!ANY_CONTROL.test(line)) return line;\n",
      replace: "  return line;\n",
    },
  },
  {
    test: "test/serialize.test.ts",
    title: "are replaced by their key, in any case and spelling, at any depth",
    mutation: {
      file: "src/redact.ts",
      name: "only one spelling is known",
      find: "secret: secrets.has(fold(name)),",
      replace: "secret: SECRET_NAMES.includes(name),",
    },
  },
  {
    test: "test/hostile-data.test.ts",
    title: "reach no key of the store in words either, by what they look like, while a result is what it was",
    mutation: {
      file: "src/secrets.ts",
      name: "keys are shown",
      find: "  return hideKeys(hidden);",
      replace: "  return hidden;",
    },
  },
  {
    test: "test/secrets.test.ts",
    title: "shows no half of one that its cap cuts in two, wherever that is",
    mutation: {
      file: "src/secrets.ts",
      name: "texts are cut first",
      find: "  const most = length + BEYOND_CUT;",
      replace: "  if (length > 0) return hide(cutText(text, length));\n  const most = length + BEYOND_CUT;",
    },
  },
  {
    test: "test/authorize.test.ts",
    title: "at the next request when it has changed its mind, over real connections",
    mutation: {
      file: "src/handler.ts",
      name: "a resume is let through",
      find: "    const verdict = access.check(",
      replace: '    const verdict = request.query.includes("cursor") ? null : access.check(',
    },
  },
  {
    test: "test/redis-connection.test.ts",
    title: "stays open, unchanged, and keeps its prefix to itself and to us",
    mutation: {
      file: "src/store/redis-connection.ts",
      name: "it is used itself",
      find: "if (input.isCluster !== true) return duplicate(common);",
      replace: "if (input.isCluster !== true) return input as never;",
    },
  },
  {
    test: "test/redis-neighbours.test.ts",
    title: "keep lines, results, layers and lists of the same ids apart",
    mutation: {
      file: "src/store/redis.ts",
      name: "prefixes are ignored",
      find: "options.keyPrefix ?? keyPrefixOf(options.client)",
      replace: '""',
    },
  },
];
