/* eslint-disable no-control-regex -- terminal colours are control sequences */
const CONTROL =
  /\u001b\[[0-?]*[ -/]*[@-~]|\u001b\][^\u0007\u001b]*(?:\u0007|\u001b\\)|[\u0000-\u0008\u000b-\u001f\u007f]/g;

/** A log line as text: without terminal colours and other control characters. */
export function plain(line: string): string {
  return line.replace(CONTROL, '');
}
