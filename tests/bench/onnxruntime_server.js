/* SPDX-License-Identifier: MIT
 *
 * onnxruntime_server.js - ONNX Runtime, driven line by line over standard input.
 *
 *   node onnxruntime_server.js MODEL.onnx INPUT.raw BATCH THREADS
 *
 * Says one JSON line when ready, then answers each line: "run N", "output FILE", "memory". The
 * same protocol as nn_server.c. "describe" in place of INPUT.raw tells the input's shape only.
 */
'use strict';
const fs = require('fs');
const readline = require('readline');
const ort = require('onnxruntime-node');

function say(answer) {
    process.stdout.write(JSON.stringify(answer) + '\n');
}

/* Symbolic dimensions are made numbers (the batch for the first, 1 elsewhere), so that ONNX
 * Runtime can plan with them. */
function free_dimensions(shape, batch) {
    const sizes = {};
    shape.forEach((dim, index) => {
        if (typeof dim === 'string' && dim !== '') {
            sizes[dim] = index === 0 ? batch : 1;
        }
    });
    return sizes;
}

function options_of(threads) {
    return {
        executionProviders: ['cpu'],
        executionMode: 'sequential',
        graphOptimizationLevel: 'all',
        intraOpNumThreads: threads,
        interOpNumThreads: 1,
        enableCpuMemArena: true,
        enableMemPattern: true,
        logSeverityLevel: 3,
    };
}

function input_of(session) {
    if (session.inputNames.length !== 1) {
        throw new Error(`the model has ${session.inputNames.length} inputs, not one`);
    }
    const input = session.inputMetadata[0];
    if (input.type !== 'float32') {
        throw new Error(`the model's input is ${input.type}, not float32`);
    }
    return input;
}

async function open(path, batch, threads) {
    let session = await ort.InferenceSession.create(path, options_of(threads));
    const input = input_of(session);
    const sizes = free_dimensions(input.shape, batch);
    const shape = input.shape.map((dim, i) => (typeof dim === 'number' ? dim : i ? 1 : batch));
    if (Object.keys(sizes).length > 0) {
        await session.release();
        session = await ort.InferenceSession.create(path, {
            ...options_of(threads),
            freeDimensionOverrides: sizes,
        });
    }
    return { session, shape, name: input.name };
}

function read_floats(path, count) {
    const bytes = fs.readFileSync(path);
    if (bytes.length !== 4 * count) {
        throw new Error(`${path} has ${bytes.length} bytes, not ${4 * count}`);
    }
    return new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
}

async function time_runs(model, feeds, count) {
    const ms = [];
    const before = process.cpuUsage();
    let result = null;
    for (let i = 0; i < count; i++) {
        const start = process.hrtime.bigint();
        result = await model.session.run(feeds);
        ms.push(Number(process.hrtime.bigint() - start) / 1e6);
    }
    const cpu = process.cpuUsage(before);
    return { ms, cpu_ms: (cpu.user + cpu.system) / 1e3, output: result === null ? null : result[model.session.outputNames[0]] };
}

function memory_kb() {
    const status = fs.readFileSync('/proc/self/status', 'utf8');
    const field = (name) => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(status)[1]);
    return { rss_kb: field('VmRSS'), peak_kb: field('VmHWM') };
}

async function serve(model, feeds) {
    let output = null;
    for await (const line of readline.createInterface({ input: process.stdin })) {
        const [verb, argument] = line.trim().split(/\s+(.*)/s);
        if (verb === 'run') {
            const timed = await time_runs(model, feeds, Number(argument));
            output = timed.output;
            say({ ms: timed.ms, cpu_ms: timed.cpu_ms });
        } else if (verb === 'output' && output !== null) {
            const floats = output.data;
            fs.writeFileSync(argument, Buffer.from(floats.buffer, floats.byteOffset, floats.byteLength));
            say({ floats: floats.length, shape: output.dims });
        } else if (verb === 'memory') {
            say(memory_kb());
        } else {
            say({ error: `"${line}" is not understood here` });
        }
    }
}

async function main() {
    const [path, raw, batch, threads] = process.argv.slice(2);
    const model = await open(path, Number(batch), Number(threads));
    const version = require('onnxruntime-node/package.json').version;
    const count = model.shape.reduce((product, dim) => product * dim, 1);
    const ready = { engine: `onnxruntime ${version}`, input: model.shape, input_floats: count };
    if (raw === 'describe') {
        say(ready);
        return;
    }
    const data = read_floats(raw, count);
    const feeds = { [model.name]: new ort.Tensor('float32', data, model.shape) };
    say(ready);
    await serve(model, feeds);
}

main().catch((error) => {
    say({ error: String(error.message || error).split('\n')[0] });
    process.exitCode = 1;
});
