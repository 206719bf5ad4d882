// Before the first paint: the theme that was chosen, so that nothing flashes.
"use strict";
try {
  const theme = localStorage.getItem("loresmith.theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch { /* storage is switched off: the system's theme */ }
