/** The style of the list of lines. */
export const LINE_LIST_STYLE = `
.lines {
  flex: 1; overflow: auto; overflow-anchor: none;
  color: var(--lt-dim); background: var(--lt-bg); font: var(--lt-mono);
}
.all { display: grid; align-content: start; box-sizing: border-box; }
.line { display: grid; grid-template-columns: 7ch auto 5ch 2ch 1fr auto auto; gap: 0 1ch; padding-inline-end: 1ch; }
.error { --tone: var(--lt-danger); background: color-mix(in srgb, var(--tone) 7%, var(--lt-bg)); }
.warn, .note, .langchain .icon { --tone: var(--lt-warning); }
.debug { --tone: var(--lt-dim); }
.claude .icon { --tone: var(--lt-success); }
.tone .icon { --tone: var(--lt-accent); }
.line:hover { background: var(--lt-hover); }
.selected { background: color-mix(in srgb, var(--lt-accent) 16%, var(--lt-bg)); }
.current { box-shadow: inset 3px 0 var(--lt-accent); }
.level, .icon, .note { color: var(--tone); }
.number { color: inherit; text-align: end; }
.line > :not(.message, details), summary { user-select: none; white-space: nowrap; text-decoration: none; }
.message, .trace, .leaf { white-space: pre-wrap; overflow-wrap: anywhere; color: var(--tone, var(--lt-text)); }
.nowrap :is(.message, .trace) { white-space: pre; }
.tag, .key { color: var(--lt-dim); }
.cause { color: var(--lt-danger); }
.cost, .trace, .leaf { color: var(--lt-text); }
.badges { display: flex; gap: 1ch; }
.fields[open], .traceback { grid-column: 5 / -1; }
.line details > :not(summary) { margin-inline-start: 2ch; }
.note { background: var(--lt-raised); text-align: center; }
mark { background: #ffe066; color: #1c232b; }
.link { color: inherit; }
`;
