/**
 * One-line changes of the stores, each of which must make at least one case of the contract suite fail: they show
 * that the suite looks. `find` stands in the file exactly once.
 */
export interface Mutation {
  /** Path from the root of the repository. */
  file: string;
  /** What is wrong with the mutant, as the end of "notices that …". */
  name: string;
  find: string;
  replace: string;
}

const inFile = (file: string, mutations: readonly [name: string, find: string, replace: string][]): Mutation[] =>
  mutations.map(([name, find, replace]) => ({ file, name, find, replace }));

/** Of the embedded store. */
export const memoryMutations: readonly Mutation[] = [
  ...inFile("src/store/memory-run.ts", [
    [
      "lines pushed by others do not count",
      "return this.next + Math.max(0, this.lines.length - this.len);",
      "return this.next;",
    ],
    ["the first index is always that of the epoch", "first: this.end - this.lines.length,", "first: this.base,"],
    ["lines pushed by others are not added to next", "this.next = this.end;", ""],
    [
      "bytes pushed by others are not counted",
      "this.bytes = this.lines.slice(0, this.len).reduce((sum, line) => sum + Buffer.byteLength(line), 0);",
      "",
    ],
    ["another server goes unnoticed", "if (this.server === server) return false;", "return false;"],
    [
      "the new server is not stored",
      "    this.server = server;\n    this.epoch = newEpoch;",
      "    this.epoch = newEpoch;",
    ],
    ["a batch counts as one line", "this.next += lines.length;", "this.next += 1;"],
    ["bytes are counted as characters", "this.bytes += Buffer.byteLength(line);", "this.bytes += line.length;"],
    [
      "bytes of trimmed lines stay counted",
      "this.bytes -= Buffer.byteLength(this.lines.shift());",
      "this.lines.shift();",
    ],
    ["the newest line can be trimmed", "while (this.lines.length > 1 &&", "while (this.lines.length > 0 &&"],
    ["one line too few is kept", "this.lines.length > limits.maxLines ||", "this.lines.length >= limits.maxLines ||"],
    ["bytes do not bound the buffer", " || this.bytes > limits.maxBufferBytes)", ")"],
    [
      "the length of the buffer is not stored",
      "    this.len = this.lines.length;\n  }\n\n  /** Gives",
      "  }\n\n  /** Gives",
    ],
    ["a claim stores no fence", "this.fence = fence;", ""],
    ["a claim stores no owner", "this.owner = owner.id;", ""],
    [
      "a claim moves no version",
      "    this.stalledSweeps = 0;\n    this.version += 1;\n  }\n\n  /**\n   * The checks",
      "    this.stalledSweeps = 0;\n  }\n\n  /**\n   * The checks",
    ],
    ["an ended run takes lines", "if (isTerminal(status)) {", "if (false) {"],
    ["late lines are not counted", "if (this.foreign === null) this.countLate(", "if (false) this.countLate("],
    ["an unfenced producer is fenced", "if (fence !== 0 && fence < this.fence)", "if (fence < this.fence)"],
    ["an older fence is taken", "if (fence !== 0 && fence < this.fence)", "if (false)"],
    ["an owner that gave the run back goes on", "owner.id !== this.owner && !releasing", "false"],
    ["a repeated release is refused", "owner.id !== this.owner && !releasing", "owner.id !== this.owner"],
    ["a newer fence is not stored", "if (owner !== null && fence > this.fence) this.own(", "if (false) this.own("],
    [
      "lines that a producer misses go unnoticed",
      "(have < request.acked || this.end < request.told)",
      "(this.end < request.told)",
    ],
    ["a smaller next goes unnoticed", "(have < request.acked || this.end < request.told)", "(have < request.acked)"],
    ["a producer of another epoch begins one", "const lost = epoch === this.epoch &&", 'const lost = epoch !== "" &&'],
    ["a loss begins no epoch", "if (lost && !moved) this.epoch = newEpoch;", ""],
    [
      "a producer that knows no epoch is refused",
      'if (moved || (epoch !== "" && epoch !== this.epoch))',
      "if (moved || epoch !== this.epoch)",
    ],
    ["a producer of another epoch is taken", 'if (moved || (epoch !== "" && epoch !== this.epoch))', "if (moved)"],
    ["a hole in the numbers is taken", "if (first > have ||", "if ("],
    ["a batch for a hole is taken anywhere", "(hole && first < have && have < upto)", "false"],
    ["the thousand-and-first producer is taken", "if (unknown && this.producers.size >= MAX_PRODUCERS)", "if (false)"],
    [
      "the thousandth producer is refused",
      "if (unknown && this.producers.size >= MAX_PRODUCERS)",
      "if (unknown && this.producers.size + 1 >= MAX_PRODUCERS)",
    ],
    [
      "known producers are refused when there are many",
      "const unknown = lines.length > 0 && !this.producers.has(producer);",
      "const unknown = lines.length > 0;",
    ],
    ["a late retry takes a producer's count back", "if (upto > producer.have) {", "if (true) {"],
    ["an overlap is stored twice", "lines.slice(producer.have - first)", "lines"],
    ["numbers do not go on after a hole", "producer.have = upto;", "producer.have = first + lines.length;"],
    ["the same totals move the version", 'if (totals !== "" && totals !== producer.totals) {', 'if (totals !== "") {'],
    [
      "totals are lost when a batch carries none",
      'if (totals !== "" && totals !== producer.totals) {',
      "if (totals !== producer.totals) {",
    ],
    ["a run starts more than once", 'if (request.start && this.status === "queued") {', "if (request.start) {"],
    [
      "every append starts a run",
      'if (request.start && this.status === "queued") {',
      'if (this.status === "queued") {',
    ],
    ["a second start changes the time of the first", "this.startedAt ||= now;", "this.startedAt = now;"],
    ["an append does not renew the lease", "if (owner !== null && owner.id === this.owner) {", "if (false) {"],
    ["an owner that is back stays stalled", "if (this.stalledSweeps > 0) {", "if (false) {"],
    ["a run that was given back stays running", 'this.status = "queued";', ""],
    ["a repeated release moves the version", 'if (this.owner === "") return;', ""],
    ["a run that was given back keeps its age", "this.queuedAt = now;", ""],
    ["a repeated cancel moves the version", "if (this.record().cancelRequested) return false;", ""],
    [
      "an ended run expects the lines that are kept",
      "this.expectedLogCount = this.next;",
      "this.expectedLogCount = this.len;",
    ],
    [
      "lines pushed by others are forgotten at the end",
      "    this.measure();\n    this.status = status;",
      "    this.status = status;",
    ],
    ["an ended run lives as long as an open one", "this.expiresAt = now + limits.endedTtlSeconds * 1000;", ""],
    ["late lines are added up", "this.lateLines += late - before;", "this.lateLines += late;"],
    ["late lines that come again move the version", "if (late <= before ||", "if ("],
    ["a run that was created again begins at 0", "this.next = request.base;", ""],
    ["a run that was created again forgets what its owner said", "have: request.have,", "have: 0,"],
  ]),
  ...inFile("src/store/foreign-run.ts", [
    [
      "a foreign run is numbered from its end while it is open",
      "const corrected = ended && expected > length;",
      "const corrected = expected > length;",
    ],
    ["the moved numbers of a foreign run stay in one epoch", 'epoch: corrected ? "1" : "0",', 'epoch: "0",'],
    ["a foreign run's version is signed", "return value >>> 0;", "return value | 0;"],
    ["a foreign run's version does not see layers", "add(layers);", ""],
    ["an ended foreign run never completes", "expectedLogCount: ended ? next : null,", "expectedLogCount: null,"],
  ]),
  ...inFile("src/store/memory-shelf.ts", [
    [
      "ended runs count as open",
      "(isTerminal(run.status) ? this.#ended : this.#open).add(run.runId);",
      "this.#open.add(run.runId);",
    ],
    [
      "a summary of a deleted run stays",
      "    this.#summaries.delete(runId);\n  }\n\n  /** The open",
      "  }\n\n  /** The open",
    ],
    ["lists begin with the oldest run", "[...this.#summaries].reverse()", "[...this.#summaries]"],
    ["lists ignore the status", "if (status === undefined || current.status === status) found", "found"],
  ]),
  ...inFile("src/store/memory.ts", [
    ["a closed store answers", 'if (closed) throw new LivetailError("CLOSED");', ""],
    [
      "lines cause no hint",
      "run.version !== version || run.end !== end || run.epoch !== epoch",
      "run.version !== version",
    ],
    [
      "changes of the state cause no hint",
      "run.version !== version || run.end !== end || run.epoch !== epoch",
      "run.end !== end",
    ],
    ["only the first write causes a hint", "hinted.clear();", ""],
    ["layers are written over others", "if (sha1(run.layers) !== layers.replacesSha1) return run.layers;", ""],
    ["layers that come again are not known", "layers === null || layers.text === run.layers", "layers === null"],
    [
      "new layers move no version",
      "    run.layers = layers.text;\n    run.version += 1;",
      "    run.layers = layers.text;",
    ],
    ["an ended run can be claimed", 'if (isTerminal(status)) return { code: "RUN_ENDED", status };', ""],
    ["a claim that comes again is a new one", "if (found.claim === producer) return claimed(found, producer);", ""],
    ["a live lease protects nothing", "const live = found.leaseUntil > scene.now;", "const live = false;"],
    ["a lease is never over", "const live = found.leaseUntil > scene.now;", "const live = true;"],
    ["nobody can take a run over", "(live && !takeOver)", "live"],
    ["a run is handed over that has an owner", "(owner === null || (live && !takeOver))", "(live && !takeOver)"],
    ["a run that is there is handed over anew", "if (owner === null) return claimed(found, producer);", ""],
    [
      "a claim on another server begins no epoch",
      "    run.moveTo(scene.server, newEpoch);\n    run.claim",
      "    run.claim",
    ],
    ["the same owner is announced as another", 'run.owner !== "" && run.owner !== owner.id', 'run.owner !== ""'],
    [
      "a run that was given back is announced as taken over",
      'run.owner !== "" && run.owner !== owner.id',
      "run.owner !== owner.id",
    ],
    ["a takeover is not announced", 'run.owner !== "" && run.owner !== owner.id', "false"],
    ["a fence is only the time", "Math.max(run.fence + 1, scene.now)", "scene.now"],
    ["a fence is only a count", "Math.max(run.fence + 1, scene.now)", "run.fence + 1"],
    ["attempts are not counted", "run.attempt += 1;", ""],
    [
      "a run is created again that is there",
      "found !== undefined && (found.epoch !== newEpoch || found.claim !== producer)",
      "false",
    ],
    ["a tail reaches below the kept lines", "Math.max(run.first, run.next - from.count)", "run.next - from.count"],
    ["a reader that has everything begins anew", "from.index <= run.next", "from.index < run.next"],
    ["a reader of another epoch is believed", '(from.epoch === "" || from.epoch === run.epoch)', "true"],
    ["a place below the kept lines is believed", "Math.max(run.first, from.index)", "from.index"],
    [
      "the state is left out for another epoch",
      "if (known?.epoch === run.epoch && known.version === run.version)",
      "if (known?.version === run.version)",
    ],
    [
      "the state is left out for another version",
      "if (known?.epoch === run.epoch && known.version === run.version)",
      "if (known?.epoch === run.epoch)",
    ],
    ["everybody sweeps", "sweepAgainAt = scene.now + request.periodMs;", ""],
    ["a sweep's last line begins no epoch", "run.moveTo(scene.server, request.newEpoch());", ""],
    ["a lost owner's run ends without a line", "run.push([line], limits);", ""],
    [
      "a lost owner is given one sweep more",
      "run.stalledSweeps >= request.lostAfterSweeps",
      "run.stalledSweeps > request.lostAfterSweeps",
    ],
    ["a run that waits for an owner ends at once", "if (due <= scene.now) giveUp(", "giveUp("],
    ["a run waits for an owner for ever", "if (due <= scene.now) giveUp(", "if (false) giveUp("],
    ["a stalled owner is no visible change", "        if (run.stalledSweeps === 1) {", "        if (false) {"],
    ["the result is lost", "run.result = request.result;", ""],
    ["a release keeps the owner", "run.disown(scene.now);", ""],
    ["an owner is not told of a cancel", "queueMicrotask(() => ownerWatchers.tell(owner, runId));", ""],
    [
      "a run with an owner ends when it is cancelled",
      '      if (run.owner === "") {\n        run.finish("cancelled"',
      '      if (true) {\n        run.finish("cancelled"',
    ],
    [
      "a foreign run ends when it is cancelled",
      'if (run.foreign !== null) return { code: "OK", status, cancelRequested: true };',
      "",
    ],
    ["an open run can be deleted", 'if (!isTerminal(run.record().status)) return "OPEN";', ""],
    ["the newest run is that of any operation", "...(operation === null ? {} : { operation })", "...{}"],
  ]),
];

/** Of the scripts of the Redis store. */
export const redisMutations: readonly Mutation[] = [];
