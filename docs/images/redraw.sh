#!/bin/sh
# Redraw the figures of README.md, docs/multitasking.md, docs/learn and docs/reference by the commands that stand there; the longest takes minutes.
# Usage: docs/images/redraw.sh [RUNS], from the root of the repository; runs that are there already are drawn again, not computed again.
set -e
# show.png is the page of "eqlab show" in a browser window of 1280 x 1480, at its address with #frame=38.
runs=${1:-runs/images}
images=$(dirname "$0")
draw() { # image figure command
    image=$1 figure=$2
    shift 2
    [ -d "$runs/$image" ] || eqlab "$@" --quiet --out "$runs/$image"
    eqlab report "$runs/$image" --quiet
    cp "$runs/$image/figures/$figure.svg" "$images/$image.svg"
}
draw recall recall recall --patterns 3 --dilution 0.5 --temperature 0.1 --stratified --size 50000
draw learning learning learn --patterns 2 --dilution 0.2 --qualities 0.3,0.5,0.8 --examples 1,3,5,11,21,41,81
draw thresholds thresholds learn --temperature 0 --qualities 0.15,0.2,0.3,0.4,0.5,0.7 --examples 1,3,5,7,9,13,19,27,39,55,79
draw basins basins basins
draw dilution dilution-3 phase --ratios 0.05,0.25,0.4 --sweeps 400
draw phase phase-3 phase
draw capacity capacity capacity
draw alignment alignment gradients
draw comparison comparison compare
draw contrast embedding contrast
draw memory memory bench memory
draw reading-noise reading-noise gradients --data teacher --hidden 9,7 --activation steep-logistic --gain 0.6 --points 4 --tolerance 1e-13 \
    --nudged-tolerance 1e-13 --strengths 0.4,0.2,0.1,0.05,0.025,0.0125,0.00625 --read-noise 0.000001,0.001,0.01 \
    --rules ep-positive,ep-centered,ep-richardson4,ep-richardson6,ep-holomorphic
draw feedback-angle varied gradients --network untied --vary untied-angle=0,15,30,45,60,90 --seeds 8 --data teacher --hidden 9,7 --gain 0.7 \
    --samples 16 --rules ep-centered,ep-asymmetric,ep-as-tied
draw synaptic-trace synaptic-trace gradients --data teacher --hidden 9,7 --samples 16 --rules ep-stdp --against ep-centered --strength 0.1 \
    --nudged-tolerance none --nudged-budget 15
