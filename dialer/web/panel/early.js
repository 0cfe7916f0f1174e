// Before Dynamics' library, which may be ready sooner than the panel's own scripts are loaded.
window.addEventListener("CIFInitDone", () => (window.cifInitDone = true), { once: true });
