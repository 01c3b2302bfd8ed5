import type { components } from './schema';

type Schemas = components['schemas'];

export type Accepted = Schemas['Accepted'];
export type BackupView = Schemas['BackupView'];
export type CheckView = Schemas['CheckView'];
export type CopyView = Schemas['CopyView'];
export type DrillView = Schemas['DrillView'];
export type Exit = Schemas['Exit'];
export type JobView = Schemas['JobView'];
export type LogLines = Schemas['LogLines'];
export type LogTail = Schemas['LogTail'];
export type Milestone = Schemas['Milestone'];
export type Operation = Schemas['Operation'];
export type Problem = Schemas['Problem'];
export type PrunePlan = Schemas['PrunePlan'];
export type PruneRecord = Schemas['PruneRecord'];
export type Reason = Schemas['Reason'];
export type RestorePlan = Schemas['RestorePlan'];
export type RestorePoint = Schemas['RestorePoint'];
export type RestoreRecord = Schemas['RestoreRecord'];
export type RunRecord = Schemas['RunRecord'];
export type ServiceStatus = Schemas['ServiceStatus'];
export type ServiceView = Schemas['ServiceView'];
export type Snapshot = Schemas['Snapshot'];
export type Status = Schemas['Status'];
export type Subject = Schemas['Subject'];
export type Verdict = Schemas['Verdict'];

/** What a shape can say: a judged status, or that work is under way. */
export type Shape = Status | 'busy';
