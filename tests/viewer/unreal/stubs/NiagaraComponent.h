#pragma once

#include "CoreMinimal.h"
#include "Components/ActorComponent.h"

enum class ENiagaraTickBehavior : uint8 { UsePrereqs, UseComponentTickGroup, ForceTickFirst, ForceTickLast };

class UFXSystemComponent : public UPrimitiveComponent
{
public:
	virtual void DeactivateImmediate();
};

class UNiagaraComponent : public UFXSystemComponent
{
public:
	void SetVariableInt(FName InVariableName, int32 InValue);
	void SetTickBehavior(ENiagaraTickBehavior NewTickBehavior);
};
