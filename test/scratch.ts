import * as E from "../src/expression/expr.js";
import { dimSymbol, one, dimNumber } from "../src/expression/dim.js";
import { showExpr } from "../src/expression/print.js";
import { gradient } from "../src/calculus/gradient.js";
import { applyRule } from "../src/calculus/lemmas.js";
import { expand } from "../src/calculus/expand.js";
const d=dimSymbol("d"), n=dimSymbol("n"), p=dimSymbol("p"), K=dimSymbol("K");
const s=(x:string, r:any="const")=>E.symbol(x,r,E.scalarShape);
const Z=E.symbol("Z","var",[d,n]);
const U=E.symbol("U","param",[d,p],{kind:"variable",name:"k"});
const beta=s("beta","let"), kappa=s("kappa");
const UZ=E.multiply(E.transpose(U),Z);
const f=E.scale(0.5,E.indexSum("k",K,E.apply("logdet",[E.add([E.identity(n),E.multiply(beta,E.transpose(UZ),UZ)])])));
console.log(showExpr(f));
const g=gradient(f,{name:"Z",shape:[d,n]});
console.log(showExpr(g));
let u=E.subtract(Z,E.multiply(kappa,g));
console.log(showExpr(u));
const ld=(x:string)=>dimSymbol("L."+x);
const hole=(x:string,sh:any,k?:boolean)=>E.symbol(x,"hole",sh,k?{kind:"variable",name:"L.k"}:undefined);
const sizes=new Map([["k",K]]);
const show=(r:any)=>{ if(!r) {console.log("NO MATCH"); return u;} console.log(r.expanded?"(expanded)":"", showExpr(r.result)); for(const a of r.applications) console.log("    ", showExpr(a.before)," -> ",showExpr(a.after)); return r.result; };
{ const N=ld("n"); const X=hole("X",[N,N]);
 u=show(applyRule(u,{name:"neumann",holes:[{name:"X",shape:[N,N]}],left:E.inverse(E.add([E.identity(N),X])),right:E.subtract(E.identity(N),X),given:new Map()},sizes)); }
{ const P=ld("p"),N=ld("n"); const V=hole("V",[P,N]), b=hole("beta",E.scalarShape);
 const Vt=E.transpose(V);
 u=show(applyRule(u,{name:"sm",holes:[{name:"V",shape:[P,N]},{name:"beta",shape:E.scalarShape}],left:E.multiply(b,V,Vt,V),right:E.multiply(V,E.apply("softmax",[E.divide(E.multiply(Vt,V),E.apply("sqrt",[E.dimExpr(P)]))])),given:new Map([["beta",beta]])},sizes)); }
{ const D=ld("d"),P=ld("p"); const UU=hole("U",[D,P],true);
 u=show(applyRule(u,{name:"orth",holes:[{name:"U",shape:[D,P],index:"L.k"}],left:E.indexSum("L.k",ld("#k"),E.multiply(UU,E.transpose(UU))),right:E.identity(D),given:new Map([["U",E.symbol("U","param",[d,p],{kind:"variable",name:"L.k"})]])},sizes)); }
{ const D=ld("d"),N=ld("n"); const ZZ=hole("Z",[D,N]), c=hole("c",E.scalarShape);
 u=show(applyRule(u,{name:"unit_decay",holes:[{name:"Z",shape:[D,N]},{name:"c",shape:E.scalarShape}],left:E.subtract(ZZ,E.multiply(c,ZZ)),right:ZZ,given:new Map()},sizes)); }
{ const D=ld("d"),P=ld("p"),N=ld("n"); const UU=hole("U",[D,P],true),W=hole("W",[D,P],true),X=hole("X",[P,N],true),c=hole("c",E.scalarShape),b=hole("b",[D,one]);
 const kk=(x:string)=>E.symbol(x,"param",[d,p],{kind:"variable",name:"L.k"});
 u=show(applyRule(u,{name:"free",holes:[{name:"U",shape:[D,P],index:"L.k"},{name:"W",shape:[D,P],index:"L.k"},{name:"X",shape:[P,N],index:"L.k"},{name:"b",shape:[D,one]},{name:"c",shape:E.scalarShape}],left:E.indexSum("L.k",ld("#k"),E.multiply(c,UU,X)),right:E.add([E.indexSum("L.k",ld("#k"),E.multiply(W,X)),E.multiply(b,E.ones([one,N]))]),given:new Map([["U",kk("U")],["W",kk("W")],["b",E.symbol("b","param",[d,one])]])},sizes)); }
