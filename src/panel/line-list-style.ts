/**
 * The style of the list of lines; the element adopts it in its shadow root. The 16 colours of ANSI have a contrast of
 * 4.5 or more to the ground (WCAG AA), except black on dark and white on light, which have 3.
 */
export const LINE_LIST_STYLE = `
.lines {
  position: relative; overflow: auto; overflow-anchor: none; container-type: inline-size;
  color: var(--lt-text); background: var(--lt-bg); font: var(--lt-mono);
  --lt-ansi-0: light-dark(#1c232b, #6d7885); --lt-ansi-8: light-dark(#57616c, #97a3b0);
  --lt-ansi-1: light-dark(#b3261e, #ff7b76); --lt-ansi-9: light-dark(#c4232d, #ff9a95);
  --lt-ansi-2: light-dark(#18743a, #4cc476); --lt-ansi-10: light-dark(#127a34, #74db98);
  --lt-ansi-3: light-dark(#8a5a00, #e0ab3d); --lt-ansi-11: light-dark(#946200, #f2c96b);
  --lt-ansi-4: light-dark(#0b4fb3, #62a8ff); --lt-ansi-12: light-dark(#0b63ce, #8fc1ff);
  --lt-ansi-5: light-dark(#8b2fa8, #d78bf0); --lt-ansi-13: light-dark(#a233c2, #e5aef7);
  --lt-ansi-6: light-dark(#0a6b75, #45c4d0); --lt-ansi-14: light-dark(#0b7380, #7fdce5);
  --lt-ansi-7: light-dark(#6b7682, #c5cdd6); --lt-ansi-15: light-dark(#7f8994, #ffffff);
}
.lines:focus-visible { outline: 2px solid var(--lt-accent); outline-offset: -2px; }
.all { position: relative; min-width: 100%; }
.window { position: absolute; inset-inline: 0; }
.nowrap .window { inset-inline-end: auto; min-width: 100%; width: max-content; }
.line { display: grid; grid-template-columns: 7ch auto 5ch 2ch minmax(0, 1fr) auto auto; column-gap: 1ch; padding-inline-end: 1ch; contain: layout style; }
.nowrap .line { grid-template-columns: 7ch auto 5ch 2ch max-content auto 1fr; }
.line:hover { background: var(--lt-hover); }
.line.selected { background: color-mix(in srgb, var(--lt-accent) 16%, var(--lt-bg)); }
.line.current { box-shadow: inset 3px 0 var(--lt-accent); }
.number, .time, .level, .icon, .badges, .line summary { color: var(--lt-dim); user-select: none; white-space: nowrap; }
.number { text-align: end; text-decoration: none; }
.number:hover { text-decoration: underline; }
.time { font-variant-numeric: tabular-nums; text-align: end; }
.time:empty { display: none; }
.time:empty + .level { grid-column: 2 / 4; }
.icon { text-align: center; }
.message, .trace, .leaf { white-space: pre-wrap; overflow-wrap: anywhere; tab-size: 8; }
.message { unicode-bidi: isolate; }
.nowrap :is(.message, .trace) { white-space: pre; }
.debug .message { color: var(--lt-dim); }
.warn :is(.level, .message, .icon), .langchain .icon, .backend { color: var(--lt-warning); }
.error :is(.level, .message, .icon), .cause { color: var(--lt-danger); }
.error { background: color-mix(in srgb, var(--lt-danger) 7%, var(--lt-bg)); }
.claude :is(.icon, .backend) { color: var(--lt-success); }
.tone :is(.icon, .backend) { color: var(--lt-accent); }
.tag { color: var(--lt-dim); }
.badges { display: flex; gap: 1ch; }
.cost { color: var(--lt-text); }
.line summary { cursor: pointer; list-style: none; }
.line summary::before { content: "▸ "; }
.line [open] > summary::before { content: "▾ "; }
.fields[open], .traceback { grid-column: 5 / -1; }
.branch > :not(summary), .trace, .fields > :not(summary) { margin-inline-start: 2ch; }
.key { color: var(--lt-dim); }
.number .leaf, .leaf .boolean { color: var(--lt-accent); }
.note { color: var(--lt-warning); background: var(--lt-raised); text-align: center; padding: 2px 1ch; border-block: 1px dashed var(--lt-border); }
mark { background: #ffe066; color: #1c232b; }
.current mark { background: #ff9f1a; }
.bold { font-weight: 700; } .faint { opacity: .75; } .italic { font-style: italic; }
.underline { text-decoration: underline; } .strike { text-decoration: line-through; } .strike.underline { text-decoration: underline line-through; }
.inverse { filter: invert(1); background: var(--lt-bg); }
.link { color: inherit; }
@container (max-width: 520px) {
  .line, .nowrap .line { grid-template-columns: 5ch auto 2ch minmax(0, 1fr) auto; column-gap: .5ch; }
  .line .level { display: none; }
  .fields[open], .traceback, .badges { grid-column: 3 / -1; }
}
`;
