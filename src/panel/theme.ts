/**
 * The look of the panel in one place: each property that a page may set on the element, and what it is otherwise, in
 * light and in dark. Text on `--lt-bg` and `--lt-raised` has a contrast of 4.5 or more (WCAG AA).
 */
export const THEME = `
:host {
  color-scheme: light dark;
  --lt-bg: light-dark(#fff, #0f1319);
  --lt-text: light-dark(#1c232b, #e4e9ef);
  --lt-raised: color-mix(in srgb, var(--lt-text) 4%, var(--lt-bg));
  --lt-hover: color-mix(in srgb, var(--lt-text) 9%, var(--lt-bg));
  --lt-border: color-mix(in srgb, var(--lt-text) 16%, var(--lt-bg));
  --lt-dim: color-mix(in srgb, var(--lt-text) 70%, var(--lt-bg));
  --lt-accent: light-dark(#0b63ce, #62a8ff);
  --lt-success: light-dark(#18743a, #4cc476);
  --lt-warning: light-dark(#8a5a00, #e0ab3d);
  --lt-danger: light-dark(#c4232d, #ff7b76);
  --lt-font: 13px/1.5 system-ui, sans-serif;
  --lt-mono: 12px/20px ui-monospace, Menlo, Consolas, monospace;
  --lt-magenta: color-mix(in srgb, var(--lt-danger), var(--lt-accent));
  --lt-cyan: color-mix(in srgb, var(--lt-success), var(--lt-accent));
}
`;
