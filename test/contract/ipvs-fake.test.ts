import { createFakeIpvs } from '../fakes/ipvs.js';
import { ipvsContract } from './ipvs.js';

ipvsContract('in memory', createFakeIpvs());
