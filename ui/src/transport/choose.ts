import { HttpTransport } from './http';
import type { Transport } from './transport';

/** The app's window has Tauri's bridge; everything else is a browser that the agent serves. */
export async function chooseTransport(): Promise<Transport> {
  if ('__TAURI_INTERNALS__' in window) {
    const { TauriTransport } = await import('./tauri');
    return new TauriTransport();
  }
  return new HttpTransport(window.location.origin);
}
