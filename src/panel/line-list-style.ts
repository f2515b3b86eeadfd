/** The style of the list of lines; the element adopts it in its shadow root. */
export const LINE_LIST_STYLE = `
.lines { overflow: auto; font: 12px/18px ui-monospace, monospace; }
.line { display: flex; gap: 1ch; }
.message { white-space: pre-wrap; overflow-wrap: anywhere; }
.nowrap .message { white-space: pre; overflow-wrap: normal; }
`;
