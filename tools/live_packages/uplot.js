// The charts of `alexc runs --live`; tools/live_bundles.py makes one file of it.

export { default } from "uplot";
