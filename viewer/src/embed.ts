import { mount } from 'svelte';
import EmbedPage from './pages/EmbedPage.svelte';
import { granted, parse } from './lib/embed.ts';
import './styles/fonts.css';
import './styles/theme.css';
import './styles/base.css';
import './styles/embed.css';

const target = document.getElementById('app');
if (target === null) throw new Error('the page has no #app element');
const asked = parse(location);
if (asked !== null) globalThis.fetch = granted(globalThis.fetch.bind(globalThis), asked);
mount(EmbedPage, { target, props: { asked } });
