import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vite';
import { licences } from './build/licences.ts';

// The page is served under a policy that allows its own files only, no inline script or style:
// so nothing is inlined, and the preload helper (an inline style of its own making) is off.
export default defineConfig({
  plugins: [svelte(), licences()],
  build: {
    target: 'es2022',
    assetsDir: 'assets',
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    cssCodeSplit: false,
    reportCompressedSize: true,
  },
  server: { host: '127.0.0.1', proxy: { '/api': process.env['SYSFLOW_API'] ?? 'http://127.0.0.1:7423' } },
});
