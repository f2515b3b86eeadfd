/**
 * The style of the list of lines; the element adopts it in its shadow root. The colours of ANSI have a contrast of 4.5
 * or more to the ground (WCAG AA), except black on dark, which has 4.
 */
export const LINE_LIST_STYLE = `
.lines {
  position: relative; overflow: auto; overflow-anchor: none; container-type: inline-size;
  color: var(--lt-text); background: var(--lt-bg); font: var(--lt-mono);
  --lt-ansi-0: light-dark(#1c232b, #6d7885); --lt-ansi-1: var(--lt-danger); --lt-ansi-2: var(--lt-success);
  --lt-ansi-3: var(--lt-warning); --lt-ansi-4: var(--lt-accent); --lt-ansi-5: light-dark(#8b2fa8, #d78bf0);
  --lt-ansi-6: light-dark(#0a6b75, #45c4d0); --lt-ansi-7: light-dark(#6b7682, #c5cdd6);
  .all { position: relative; }
  .window { position: absolute; min-width: 100%; }
  .line { --text: minmax(0, 1fr); display: grid; grid-template-columns: 7ch auto 5ch 2ch var(--text) auto auto; gap: 0 1ch; padding-inline-end: 1ch; }
  .line:hover { background: var(--lt-hover); }
  .line.error { background: color-mix(in srgb, var(--lt-danger) 7%, var(--lt-bg)); }
  .line.selected { background: color-mix(in srgb, var(--lt-accent) 16%, var(--lt-bg)); }
  .line.current { box-shadow: inset 3px 0 var(--lt-accent); }
  .line > :not(.message), summary, .tag, .key, .debug > .message { color: var(--lt-dim); }
  .line > :not(.message, details), summary { user-select: none; white-space: nowrap; text-decoration: none; }
  .number { text-align: end; }
  .message, .trace, .leaf { white-space: pre-wrap; overflow-wrap: anywhere; color: var(--lt-text); }
  &.nowrap .line { --text: max-content; }
  &.nowrap :is(.message, .trace) { white-space: pre; }
  .warn > :is(.level, .icon, .message), .langchain > .icon { color: var(--lt-warning); }
  .error > :is(.level, .icon, .message), .cause { color: var(--lt-danger); }
  .claude > .icon { color: var(--lt-success); }
  .tone > .icon { color: var(--lt-accent); }
  .badges { display: flex; gap: 1ch; }
  .cost { color: var(--lt-text); }
  summary { list-style: none; }
  summary::before { content: "▸ "; }
  [open] > summary::before { content: "▾ "; }
  .fields[open], .traceback { grid-column: 5 / -1; }
  details > :not(summary) { margin-inline-start: 2ch; }
  .note { color: var(--lt-warning); background: var(--lt-raised); text-align: center; padding: 2px; }
  mark { background: #ffe066; color: #1c232b; }
  .current mark { background: #ff9f1a; }
  .bold { font-weight: 700; }
  .faint { opacity: .75; }
  .italic { font-style: italic; }
  .underline { text-decoration: underline; }
  .strike { text-decoration: line-through; }
  .link { color: inherit; }
  @container (max-width: 34rem) {
    .line { grid-template-columns: 5ch 2ch var(--text) auto; }
    .time, .level { display: none; }
    .badges, .fields[open], .traceback { grid-column: 3 / -1; }
    .badges { grid-row: 2; }
  }
}
`;
