/** Where a run or a layer stands → its glyph, so that nothing depends on colours alone. */
export const GLYPHS = {
  queued: "○",
  pending: "○",
  running: "◐",
  completed: "✓",
  success: "✓",
  failed: "✗",
  cancelled: "⊘",
  skipped: "⤼",
} as const;
