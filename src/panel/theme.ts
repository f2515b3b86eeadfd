/**
 * The look of the panel in one place: each property that a page may set on the element, and what it is otherwise, in
 * light and in dark. Text on `--lt-bg` and `--lt-raised` has a contrast of 4.5 or more (WCAG AA).
 */
export const THEME = `
:host {
  color-scheme: light dark;
  --lt-bg: light-dark(#ffffff, #0f1319);
  --lt-raised: light-dark(#f5f7f9, #171c24);
  --lt-hover: light-dark(#e9edf1, #232a34);
  --lt-text: light-dark(#1c232b, #e4e9ef);
  --lt-dim: light-dark(#57616c, #97a3b0);
  --lt-border: light-dark(#d8dee4, #2c343f);
  --lt-accent: light-dark(#0b63ce, #62a8ff);
  --lt-success: light-dark(#18743a, #4cc476);
  --lt-warning: light-dark(#8a5a00, #e0ab3d);
  --lt-danger: light-dark(#c4232d, #ff7b76);
  --lt-font: 13px/1.5 system-ui, sans-serif;
  --lt-mono: 12px/20px ui-monospace, SFMono-Regular, Menlo, Consolas, monospace;
}
`;
