// What torch.nn.utils holds: bounds on gradients, layers folded into one.
export * from './clip_grad.ts';
export { fuse_, fuseConvBnEval } from './fusion.ts';
