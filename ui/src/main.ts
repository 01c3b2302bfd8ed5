import { mount } from 'svelte';
import App from './App.svelte';
import './styles/tokens.css';
import './styles/base.css';
import './styles/controls.css';
import { chooseTransport } from './transport/choose';

const target = document.getElementById('app');
if (target === null) throw new Error('index.html has no #app');
const transport = await chooseTransport();
mount(App, { target, props: { transport } });
